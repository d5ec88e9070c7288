"""The content of a send, and what is refused before anything is written."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels.providers.registry import provider_of
from app.errors import InvalidInput
from app.messages import content
from app.messages.errors import UnsupportedContent

SID = f"HX{1:032d}"


@pytest.mark.parametrize(
    ("url", "kind", "mime_type"),
    [
        ("https://example.com/a.jpg", "image", "image/jpeg"),
        ("https://example.com/a.mp4?x=1", "video", "video/mp4"),
        ("https://example.com/a.mp3", "audio", "audio/mpeg"),
        ("https://example.com/a.pdf", "document", "application/pdf"),
        ("https://example.com/a", "document", ""),
    ],
)
def test_the_kind_of_media_follows_the_name_in_its_url(url: str, kind: str, mime_type: str) -> None:
    found = content.media(url, "caption")
    assert (found["type"], found["body"]) == (kind, "caption")
    assert found["media"] == [{"url": url, "mime_type": mime_type}]


def test_a_webp_file_is_a_sticker() -> None:
    assert content.media("https://example.com/a.webp", "")["type"] == "sticker"


@pytest.mark.parametrize("url", ["http://10.0.0.1/a", "file:///etc/passwd", "", "https://", "x"])
def test_a_url_that_no_provider_should_fetch_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        content.media(url, "")


@pytest.mark.parametrize("sid", ["", "HX", SID + "0", SID.lower(), "SM" + "0" * 32, SID + "\n"])
def test_a_content_sid_is_hx_and_32_hexadecimal_digits(sid: str) -> None:
    with pytest.raises(InvalidInput):
        content.template(sid, None)


@pytest.mark.parametrize("nothing", [None, {}, "", "{}"])
def test_a_template_may_have_no_variables(nothing: Any) -> None:
    assert content.template(SID, nothing)["template"]["variables"] == {}


def test_numbers_become_text() -> None:
    assert content.read_variables({"1": 7, "2": 1.5, "3": "x"}) == {"1": "7", "2": "1.5", "3": "x"}


@pytest.mark.parametrize(
    "variables",
    [
        "[1]",
        "not json",
        '"text"',
        "[" * 100_000,
        '{"1": ' + "9" * 5000 + "}",
        [1, 2],
        7,
        True,
        {"1": None},
        {"1": True},
        {"1": ["x"]},
        {"1": {"a": "b"}},
        {"1": ""},
        {"1": "   "},
        {"1": "two\nlines"},
        {"1": "two\rlines"},
        {"1": "x" * 1601},
        {"": "x"},
        {"a name that is too long": "x"},
        {str(number): "x" for number in range(101)},
        '{"1": "\\u0000"}',
        '{"1\\u0000": "x"}',
        '{"1": "\\ud800"}',
        '{"\\ud800": "x"}',
        '{"1": NaN}',
        '{"1": 1e999}',
        {"1": float("nan")},
        {"1": float("-inf")},
    ],
)
def test_variables_that_whatsapp_or_postgres_would_refuse_are_refused(variables: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        content.read_variables(variables)
    assert list(caught.value.details["fields"]) == ["content_variables"]


@given(st.text() | st.binary().map(repr))
def test_no_text_breaks_the_reading_of_variables(text: str) -> None:
    try:
        found = content.read_variables(text)
    except InvalidInput:
        return
    assert all(value.strip() for value in found.values())


@given(
    st.dictionaries(
        st.text("abc123", min_size=1, max_size=16), st.text("xyzñ 🎉", min_size=1), max_size=9
    )
)
def test_an_object_and_its_json_text_mean_the_same(variables: dict[str, str]) -> None:
    def read(given_: Any) -> Any:
        try:
            return content.read_variables(given_)
        except InvalidInput as error:
            return error.details

    assert read(variables) == read(json.dumps(variables))


def test_only_a_template_is_taken_outside_the_window() -> None:
    capabilities = provider_of("twilio").capabilities
    assert not content.needs_window(content.template(SID, None), capabilities)
    assert content.needs_window(content.text("x"), capabilities)
    unbound = replace(capabilities, has_window=False)
    assert not content.needs_window(content.text("x"), unbound)


def test_what_a_provider_cannot_send_is_refused_in_words() -> None:
    poor = replace(provider_of("twilio").capabilities, kinds=frozenset({"text"}), longest_text=5)
    content.check(content.text("12345"), "pigeon", poor)
    with pytest.raises(InvalidInput) as too_long:
        content.check(content.text("123456"), "pigeon", poor)
    assert too_long.value.details["fields"] == {
        "body": ["At most 5 characters on a channel of pigeon."]
    }
    with pytest.raises(UnsupportedContent, match="They send: text"):
        content.check(content.template(SID, None), "pigeon", poor)
