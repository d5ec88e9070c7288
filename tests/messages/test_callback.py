"""The signed words in a status-callback URL: ours are believed, nobody else's."""

from urllib.parse import parse_qsl

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app import config
from app.common.ids import new_id
from app.messages import callback
from app.messages.callback import AttemptRef
from tests.world import settings_changed

TENANT, REF = new_id(), AttemptRef(new_id(), 3)


@pytest.fixture(autouse=True)
def configured(app: Flask) -> None:
    """The settings of the tests."""


def query(ref: AttemptRef = REF) -> dict[str, str]:
    return dict(parse_qsl(callback.query_for(TENANT, ref), strict_parsing=True))


def test_what_we_signed_names_its_attempt() -> None:
    assert callback.read(TENANT, query()) == REF


def test_another_tenant_cannot_use_it() -> None:
    assert callback.read(new_id(), query()) is None


@pytest.mark.parametrize(
    "change",
    [
        {"message": str(new_id())},
        {"attempt": "4"},
        {"attempt": "three"},
        {"attempt": "9" * 5000},
        {"proof": ""},
        {"proof": "0" * 32},
        {"proof": "ñ"},
        {"message": ""},
        {"message": "\x00"},
    ],
)
def test_an_altered_word_names_nothing(change: dict[str, str]) -> None:
    assert callback.read(TENANT, {**query(), **change}) is None


@pytest.mark.parametrize("name", ["message", "attempt", "proof"])
def test_a_missing_word_names_nothing(name: str) -> None:
    assert (
        callback.read(TENANT, {key: text for key, text in query().items() if key != name}) is None
    )


def test_the_key_before_still_counts_while_a_key_is_changed() -> None:
    given_ = query()
    old = config.current().secret_key
    with settings_changed(secret_key="b" * 40, secret_key_previous=old):
        assert callback.read(TENANT, given_) == REF
    with settings_changed(secret_key="b" * 40, secret_key_previous=""):
        assert callback.read(TENANT, given_) is None


@given(st.dictionaries(st.sampled_from(["message", "attempt", "proof"]), st.text()))
def test_no_query_breaks_the_reading(words: dict[str, str]) -> None:
    assert callback.read(TENANT, words) is None
