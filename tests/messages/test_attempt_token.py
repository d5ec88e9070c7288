"""Tokens of attempts: ours are accepted, all others are refused."""

from urllib.parse import parse_qsl, urlencode

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app import config
from app.common.ids import new_id
from app.messages import attempt_token
from app.messages.attempt_token import AttemptRef
from tests.world import settings_changed

TENANT, REF = new_id(), AttemptRef(new_id(), 3)


@pytest.fixture(autouse=True)
def configured(app: Flask) -> None:
    """Load the settings, which have the key that signs tokens."""


def changed(**words: str | None) -> str:
    """Return one of our tokens with changed parameters; None removes a parameter."""
    known = dict(parse_qsl(attempt_token.make(TENANT, REF), strict_parsing=True))
    return urlencode({name: word for name, word in {**known, **words}.items() if word is not None})


def test_what_we_signed_names_its_attempt() -> None:
    token = attempt_token.make(TENANT, REF)
    assert attempt_token.read(TENANT, token) == REF
    assert token.isascii()
    assert len(token) <= 200


def test_words_that_a_provider_adds_do_no_harm() -> None:
    assert attempt_token.read(TENANT, changed(bodySHA256="a" * 64)) == REF


def test_another_tenant_cannot_use_it() -> None:
    assert attempt_token.read(new_id(), attempt_token.make(TENANT, REF)) is None


@pytest.mark.parametrize(
    "words",
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
        {"message": None},
        {"attempt": None},
        {"proof": None},
        {str(number): "x" for number in range(100)},
    ],
)
def test_an_altered_token_names_nothing(words: dict[str, str | None]) -> None:
    assert attempt_token.read(TENANT, changed(**words)) is None


def test_the_key_before_still_counts_while_a_key_is_changed() -> None:
    token = attempt_token.make(TENANT, REF)
    old = config.current().secret_key
    with settings_changed(secret_key="b" * 40, secret_key_previous=old):
        assert attempt_token.read(TENANT, token) == REF
    with settings_changed(secret_key="b" * 40, secret_key_previous=""):
        assert attempt_token.read(TENANT, token) is None


@given(st.text() | st.from_regex(r"(message|attempt|proof)=.*&", fullmatch=True))
def test_no_text_breaks_the_reading(token: str) -> None:
    assert attempt_token.read(TENANT, token) is None
