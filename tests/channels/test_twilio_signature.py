"""A webhook counts only when the channel's own secret signed exactly what was received."""

import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import HMAC_SHA256, RequestValidator
from werkzeug.datastructures import MultiDict

from app.channels.providers.base import WebhookRequest
from app.channels.providers.twilio.retries import RETRY_FRAGMENT
from app.channels.providers.twilio.signature import is_signed

URL = "https://recado.test/webhook/twilio/key?a=1"
TOKEN = "0123456789abcdef0123456789abcdef"
AUTH_TOKEN = {"account_sid": "AC", "auth_token": TOKEN}
SHARED_KEY = {
    "account_sid": "AC",
    "auth_token": TOKEN,
    "signature_mode": "shared_key",
    "shared_key_id": "webhooks_sharedkey_1",
    "shared_key_secret": "a shared secret",
}
SETTINGS = "X-Twilio-Webhooks-Signature-Settings"
FORM = [("MessageSid", "SM1"), ("Body", " ¡Hola! & más\n"), ("Empty", ""), ("A", "2"), ("A", "1")]
FORM_TYPE = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}


def sign(secret: str, url: str = URL, form: Any = FORM, algorithm: str | None = None) -> str:
    signature: str = RequestValidator(secret).compute_signature(url, MultiDict(form), algorithm)
    return signature


def a_request(
    signature: str | None,
    *,
    url: str = URL,
    form: list[tuple[str, str]] | None = None,
    headers: dict[str, str] | None = None,
) -> WebhookRequest:
    sent = {**FORM_TYPE, **(headers or {})}
    if signature is not None:
        sent["X-Twilio-Signature"] = signature
    body = urlencode(FORM if form is None else form).encode()
    return WebhookRequest(url, url.partition("?")[2], body, sent)


def test_the_official_example_is_signed() -> None:
    form = [
        ("CallSid", "CA1234567890ABCDE"),
        ("Caller", "+12349013030"),
        ("Digits", "1234"),
        ("From", "+12349013030"),
        ("To", "+18005551212"),
    ]
    request = a_request(
        "0/KCTR6DLpKmkAf8muzZqo1nDgQ=",
        url="https://mycompany.com/myapp.php?foo=1&bar=2",
        form=form,
    )
    assert is_signed(request, {"account_sid": "AC", "auth_token": "12345"})


def test_blank_and_repeated_fields_and_spaces_are_part_of_what_is_signed() -> None:
    assert is_signed(a_request(sign(TOKEN)), AUTH_TOKEN)


def test_header_names_count_in_any_case() -> None:
    request = a_request(None, headers={"x-twilio-signature": sign(TOKEN)})
    assert is_signed(request, AUTH_TOKEN)


def test_a_fragment_is_not_part_of_what_is_signed() -> None:
    assert is_signed(a_request(sign(TOKEN), url=f"{URL}#rc=3&rp=ct,5xx"), AUTH_TOKEN)


def test_a_relay_may_sign_the_address_as_we_wrote_it() -> None:
    assert is_signed(a_request(sign(TOKEN, URL + RETRY_FRAGMENT)), AUTH_TOKEN)
    assert not is_signed(a_request(sign(TOKEN, URL + "#rc=9")), AUTH_TOKEN)


def test_the_default_port_may_be_named_or_not() -> None:
    named = URL.replace("recado.test", "recado.test:443")
    assert is_signed(a_request(sign(TOKEN, named)), AUTH_TOKEN)
    assert is_signed(a_request(sign(TOKEN), url=named), AUTH_TOKEN)


@pytest.mark.parametrize(
    "url",
    [
        URL.replace("https", "http"),
        URL.replace("recado.test", "other.test"),
        URL.replace("a=1", "a=2"),
        URL.replace("?a=1", ""),
        URL.replace("/key", "/other"),
        URL + "&b=2",
    ],
)
def test_another_url_is_not_signed(url: str) -> None:
    assert not is_signed(a_request(sign(TOKEN), url=url), AUTH_TOKEN)


def test_a_port_that_was_signed_must_be_there() -> None:
    signed_for = URL.replace("recado.test", "recado.test:8443")
    assert not is_signed(a_request(sign(TOKEN, signed_for)), AUTH_TOKEN)
    assert is_signed(a_request(sign(TOKEN, signed_for), url=signed_for), AUTH_TOKEN)


@pytest.mark.parametrize(
    "form",
    [
        [],
        [*FORM, ("Extra", "1")],
        FORM[1:],
        [("MessageSid", "SM2"), *FORM[1:]],
        [(name, value.strip()) for name, value in FORM],
        [(name, value) for name, value in FORM if value],
    ],
    ids=["empty", "added", "dropped", "changed", "trimmed", "blank dropped"],
)
def test_an_altered_form_is_not_signed(form: list[tuple[str, str]]) -> None:
    assert not is_signed(a_request(sign(TOKEN), form=form), AUTH_TOKEN)


@pytest.mark.parametrize("signature", [None, "", "x", "é", sign("another token"), sign(TOKEN)[:-2]])
def test_a_missing_or_wrong_signature_is_refused(signature: str | None) -> None:
    assert not is_signed(a_request(signature), AUTH_TOKEN)


@pytest.mark.parametrize(
    ("until", "accepted"),
    [("2999-01-01T00:00:00+00:00", True), ("2020-01-01T00:00:00+00:00", False), (None, False)],
)
def test_the_previous_token_counts_for_a_while(until: str | None, accepted: bool) -> None:
    request = a_request(sign("the old token"))
    kept = {"previous_auth_token": "the old token", "previous_until": until}
    assert is_signed(request, {**AUTH_TOKEN, **kept}) is accepted
    assert not is_signed(request, AUTH_TOKEN)
    assert is_signed(a_request(sign(TOKEN)), {**AUTH_TOKEN, **kept})


def test_a_shared_key_signs_with_sha_256() -> None:
    request = a_request(
        sign("a shared secret", algorithm=HMAC_SHA256),
        headers={SETTINGS: "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"},
    )
    assert is_signed(request, SHARED_KEY)


def test_the_sender_cannot_choose_the_weaker_way() -> None:
    """The right secrets, but in the mode that the channel did not choose."""
    for secret in (TOKEN, "a shared secret"):
        assert not is_signed(a_request(sign(secret)), SHARED_KEY)
        for algorithm in ("HMAC_SHA256", "HMAC_SHA1", "hmac_sha256"):
            request = a_request(
                sign(secret, algorithm=HMAC_SHA256),
                headers={SETTINGS: f"key=k,algorithm={algorithm}"},
            )
            assert not is_signed(request, AUTH_TOKEN)


@pytest.mark.parametrize("settings", ["", "key=k", "algorithm=", "algorithm=HMAC_MD5", "é", ",,="])
def test_a_shared_key_channel_wants_its_algorithm_named(settings: str) -> None:
    request = a_request(
        sign("a shared secret", algorithm=HMAC_SHA256), headers={SETTINGS: settings}
    )
    assert not is_signed(request, SHARED_KEY)


def json_request(body: bytes, *, with_hash: bytes | None) -> WebhookRequest:
    url = URL
    if with_hash is not None:
        url += f"&bodySHA256={hashlib.sha256(with_hash).hexdigest()}"
    headers = {"Content-Type": "application/json"}
    headers["X-Twilio-Signature"] = RequestValidator(TOKEN).compute_signature(url, {})
    return WebhookRequest(url, url.partition("?")[2], body, headers)


def test_json_is_signed_by_the_hash_in_the_url() -> None:
    assert is_signed(json_request(b'{"a": 1}', with_hash=b'{"a": 1}'), AUTH_TOKEN)


@pytest.mark.parametrize("body", [b"{}", b"", b'{"a": 2}'])
def test_json_that_differs_from_its_hash_is_refused(body: bytes) -> None:
    assert not is_signed(json_request(body, with_hash=b'{"a": 1}'), AUTH_TOKEN)


def test_json_without_a_hash_is_refused() -> None:
    assert not is_signed(json_request(b'{"a": 1}', with_hash=None), AUTH_TOKEN)


def test_calling_json_a_form_does_not_skip_the_hash() -> None:
    honest = json_request(b'{"a": 1}', with_hash=b'{"a": 1}')
    forged = WebhookRequest(
        honest.url, honest.query, b"", {**honest.headers, "Content-Type": FORM_TYPE["Content-Type"]}
    )
    assert not is_signed(forged, AUTH_TOKEN)


@pytest.mark.parametrize("credentials", [{}, {"auth_token": ""}, {"signature_mode": "none"}])
def test_a_channel_without_secrets_takes_nothing(credentials: dict[str, str]) -> None:
    for secret in ("", TOKEN):
        assert not is_signed(a_request(sign(secret)), credentials)


@given(
    url=st.text(max_size=60) | st.just("https://[::1"),
    body=st.binary(max_size=60),
    headers=st.dictionaries(
        st.sampled_from(["X-Twilio-Signature", "Content-Type", SETTINGS]), st.text(max_size=40)
    ),
)
def test_nothing_that_comes_makes_it_raise(url: str, body: bytes, headers: dict[str, str]) -> None:
    for credentials in (AUTH_TOKEN, SHARED_KEY):
        assert is_signed(WebhookRequest(url, "", body, headers), credentials) is False


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=5))
def test_every_form_that_twilio_s_library_signs_is_accepted(form: dict[str, str]) -> None:
    try:
        signature = sign(TOKEN, form=form)
        request = a_request(signature, form=list(form.items()))
    except UnicodeEncodeError:
        return
    assert is_signed(request, AUTH_TOKEN)
