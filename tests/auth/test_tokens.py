"""Tokens that are forged, damaged, foreign, old or of the wrong type are all 401."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask

from app.auth import tokens
from app.auth.tokens import KEYS, TokenType
from app.config import Settings
from app.models import User
from tests.factories import ApiClient, create_session, token_facts

Claims = dict[str, Any]


@pytest.fixture
def good(app: Flask, owner: User) -> str:
    """Return a valid token; each attack changes one thing of it."""
    with app.app_context():
        return tokens.encode(token_facts(owner, create_session(owner)))


def key_of(app: Flask) -> bytes:
    return next(iter(app.config[KEYS].values()))


def resign(app: Flask, token: str, **changes: Any) -> str:
    """Return the token with other claims (None removes one), signed with our own key."""
    claims = {**jwt.decode(token, options={"verify_signature": False}), **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    header = {"kid": jwt.get_unverified_header(token)["kid"]}
    return jwt.encode(claims, key_of(app), "HS256", headers=header)


def refused(app: Flask, token: str) -> str:
    """Return the code with which a token is refused."""
    answer = ApiClient(app, token).get("/auth/me")
    assert answer.status_code == 401, answer.json
    assert answer.json["success"] is False
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    return str(answer.json["code"])


def test_the_untouched_token_works(app: Flask, good: str) -> None:
    assert ApiClient(app, good).get("/auth/me").status_code == 200
    assert ApiClient(app, resign(app, good)).get("/auth/me").status_code == 200


def test_it_carries_every_promised_claim_and_no_more_than_a_short_life(good: str) -> None:
    claims = jwt.decode(good, options={"verify_signature": False})
    promised = {"iss", "aud", "typ", "exp", "iat", "jti", "sub", "tenant", "role", "sid"}
    assert promised <= set(claims)
    assert 0 < claims["exp"] - claims["iat"] <= 900
    assert jwt.get_unverified_header(good)["alg"] == "HS256"


@pytest.mark.parametrize(
    "claim", ["iss", "aud", "typ", "exp", "iat", "jti", "sub", "tenant", "role", "sid"]
)
def test_a_token_without_a_required_claim_is_refused(app: Flask, good: str, claim: str) -> None:
    assert refused(app, resign(app, good, **{claim: None})) == "token_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://another.example.com"},
        {"aud": "another-api"},
        {"typ": "refresh"},
        {"typ": "other"},
        {"sub": "not a uuid"},
        {"sub": 7},
        {"tenant": ["x"]},
        {"exp": "tomorrow"},
        {"exp": 1e400},
        {"exp": 10**30},
        {"iat": 99_999_999_999},
        {"jti": {}},
    ],
)
def test_a_token_with_a_foreign_or_odd_claim_is_refused(
    app: Flask, good: str, changes: Claims
) -> None:
    assert refused(app, resign(app, good, **changes)) == "token_invalid"


def with_algorithm(name: str) -> Callable[[Flask, str], str]:
    def forge(app: Flask, token: str) -> str:
        claims = jwt.decode(token, options={"verify_signature": False})
        key: Any = key_of(app) * 2 if name.startswith("HS") else None
        if name == "RS256":
            private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            key = private.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        kid = jwt.get_unverified_header(token)["kid"]
        return jwt.encode(claims, key, name, headers={"kid": kid})

    return forge


@pytest.mark.parametrize("name", ["none", "HS384", "HS512", "RS256"])
def test_a_token_of_another_algorithm_is_refused(app: Flask, good: str, name: str) -> None:
    assert refused(app, with_algorithm(name)(app, good)) == "token_invalid"


def test_a_token_under_a_foreign_key_is_refused(app: Flask, good: str) -> None:
    claims = jwt.decode(good, options={"verify_signature": False})
    kid = jwt.get_unverified_header(good)["kid"]
    foreign = tokens.derive_key("somebody else's secret key, quite long")
    assert (
        refused(app, jwt.encode(claims, foreign, "HS256", headers={"kid": kid})) == "token_invalid"
    )


def test_the_secret_key_itself_signs_nothing(app: Flask, good: str, settings: Settings) -> None:
    claims = jwt.decode(good, options={"verify_signature": False})
    kid = jwt.get_unverified_header(good)["kid"]
    forged = jwt.encode(claims, settings.secret_key, "HS256", headers={"kid": kid})
    assert refused(app, forged) == "token_invalid"


@pytest.mark.parametrize("header", [{}, {"kid": "unknown"}, {"kid": ""}, {"kid": "../../dev/null"}])
def test_a_token_that_names_no_key_of_ours_is_refused(
    app: Flask, good: str, header: dict[str, str]
) -> None:
    claims = jwt.decode(good, options={"verify_signature": False})
    assert refused(app, jwt.encode(claims, key_of(app), "HS256", headers=header)) == "token_invalid"


def test_a_changed_letter_anywhere_is_refused(app: Flask, good: str) -> None:
    for place in range(0, len(good) - 2, 17):
        letter = "A" if good[place] != "A" else "B"
        assert refused(app, good[:place] + letter + good[place + 1 :]) == "token_invalid"


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "a.b.c",
        "..",
        "e30.e30.e30",
        "A" * 5000,
        "eyJhbGciOiJIUzI1NiJ9." + "W1tb" * 700 + ".AAAA",
        "ñandú.ñandú.ñandú",
        "null",
    ],
)
def test_nonsense_is_refused(app: Flask, text: str) -> None:
    assert refused(app, text) == "token_invalid"


@pytest.mark.parametrize(
    "header", ["Basic ZGVtbzpwYXNzd29yZA==", "Bearer", "Bearer ", "", "Token x"]
)
def test_a_header_of_another_kind_is_401(nobody: ApiClient, header: str) -> None:
    answer = nobody.get("/auth/me", headers={"Authorization": header})
    assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")


def test_no_header_is_401(nobody: ApiClient) -> None:
    answer = nobody.get("/auth/me")
    assert (answer.status_code, answer.json["code"]) == (401, "unauthenticated")


def test_a_damaged_token_does_not_close_a_public_door(app: Flask) -> None:
    answer = ApiClient(app, "damaged").post("/auth/login", {})
    assert answer.status_code == 400


def test_an_expired_token_is_refused_by_its_own_code(app: Flask, good: str) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=16), tick=False):
        assert refused(app, good) == "token_expired"


def test_an_expired_token_of_another_issuer_is_plainly_invalid(app: Flask, good: str) -> None:
    forged = resign(app, good, iss="https://another.example.com")
    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=16), tick=False):
        assert refused(app, forged) == "token_invalid"


def test_a_refresh_token_does_not_open_the_api(app: Flask, owner: User) -> None:
    facts = token_facts(owner, create_session(owner), type=TokenType.REFRESH)
    with app.app_context():
        assert refused(app, tokens.encode(facts)) == "token_invalid"


def test_a_token_of_another_tenant_for_this_user_is_refused(
    app: Flask, good: str, outsider: ApiClient
) -> None:
    assert refused(app, resign(app, good, tenant=str(outsider.tenant_id))) == "token_revoked"


def test_tokens_outlive_a_rotation_of_the_key_but_not_a_second_one(
    app: Flask, good: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, newest = settings.secret_key, "the second secret key" * 2, "the third secret key" * 2
    rotated = tokens.key_ring(replace(settings, secret_key=new, secret_key_previous=old))
    monkeypatch.setitem(app.config, KEYS, rotated)
    assert ApiClient(app, good).get("/auth/me").status_code == 200
    fresh = resign(app, good)
    with app.app_context():
        assert tokens.encode(tokens.decode(good, TokenType.ACCESS)) != good
    again = tokens.key_ring(replace(settings, secret_key=newest, secret_key_previous=new))
    monkeypatch.setitem(app.config, KEYS, again)
    assert refused(app, good) == "token_invalid"
    assert refused(app, fresh) == "token_invalid"
