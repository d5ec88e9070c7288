"""The tokens of a person's sign-in: JWTs of one algorithm, signed with a key derived from
SECRET_KEY.

flask-jwt-extended encodes and decodes them. Its defaults are tightened here: a token must name its
key, issuer, audience, type and expiry, and carry every claim that we put into one.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask, current_app
from flask_jwt_extended import create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import ExpiredSignatureError, PyJWTError

from app.auth.errors import TokenExpired, TokenInvalid
from app.config import Settings
from app.extensions import jwt

ALGORITHM = "HS256"
AUDIENCE = "recado-api"
KEY_PURPOSE = b"recado/auth/tokens/1"
LEEWAY_SECONDS = 5
"""How far the clocks of two machines may differ."""

LONGEST = 4096
KEYS = "RECADO_TOKEN_KEYS"


class TokenType(StrEnum):
    ACCESS = "access"
    REFRESH = "refresh"


@dataclass(frozen=True)
class TokenFacts:
    """The contents of a token. `id` is its `jti`, `session_id` the sign-in that it belongs to."""

    type: TokenType
    id: UUID
    user_id: UUID
    tenant_id: UUID
    session_id: UUID
    role: str
    issued_at: datetime
    expires_at: datetime


WRONG_TYPE = {
    TokenType.ACCESS: "This is an access token. Send the refresh token of the same sign-in.",
    TokenType.REFRESH: "This is a refresh token. Send an access token: exchange this one for new "
    "tokens at POST /auth/refresh.",
}
"""What a caller is told who sends a token of this type where the other one is expected."""


def derive_key(secret: str) -> bytes:
    """Derive the signing key from a SECRET_KEY. It is useless for any other purpose."""
    return HKDF(SHA256(), length=32, salt=None, info=KEY_PURPOSE).derive(secret.encode())


def key_id(key: bytes) -> str:
    """Return the `kid` of a key, which reveals nothing about it."""
    return hashlib.sha256(b"kid:" + key).hexdigest()[:16]


def key_ring(settings: Settings) -> dict[str, bytes]:
    """Return key id → key. The first key signs; all of them verify."""
    secrets = filter(None, (settings.secret_key, settings.secret_key_previous))
    return {key_id(key): key for key in map(derive_key, secrets)}


def init_app(app: Flask, settings: Settings) -> None:
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_ENCODE_ISSUER=settings.public_base_url,
        JWT_DECODE_ISSUER=settings.public_base_url,
        JWT_ENCODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_LEEWAY=LEEWAY_SECONDS,
        JWT_TOKEN_LOCATION=["headers"],
        # Both would differ each time that the same facts are encoded.
        JWT_COOKIE_CSRF_PROTECT=False,
        JWT_ENCODE_NBF=False,
    )
    app.config[KEYS] = key_ring(settings)
    jwt.init_app(app)


@jwt.encode_key_loader
def signing_key(_identity: str) -> bytes:
    ring: dict[str, bytes] = current_app.config[KEYS]
    return next(iter(ring.values()))


@jwt.additional_headers_loader
def headers(_identity: str) -> dict[str, str]:
    return {"kid": next(iter(current_app.config[KEYS]))}


@jwt.decode_key_loader
def verifying_key(header: dict[str, Any], _claims: dict[str, Any]) -> bytes:
    """Return the key that a token names. Raises TokenInvalid if it is none of ours."""
    ring: dict[str, bytes] = current_app.config[KEYS]
    key = ring.get(str(header.get("kid")))
    if key is None:
        raise TokenInvalid
    return key


def encode(facts: TokenFacts) -> str:
    """Encode a token. The same facts with the same key give the same text."""
    claims = {
        "typ": str(facts.type),
        "jti": str(facts.id),
        "sid": str(facts.session_id),
        "tenant": str(facts.tenant_id),
        "role": facts.role,
        "iat": int(facts.issued_at.timestamp()),
        "exp": int(facts.expires_at.timestamp()),
    }
    create = create_access_token if facts.type is TokenType.ACCESS else create_refresh_token
    encoded: str = create(
        identity=str(facts.user_id), expires_delta=timedelta(0), additional_claims=claims
    )
    return encoded


def decode(text: str, type_: TokenType) -> TokenFacts:
    """Verify and decode a token of this type. Raises only TokenExpired or TokenInvalid."""
    if len(text) > LONGEST or not text.isascii():
        raise TokenInvalid
    try:
        facts = read_claims(decode_token(text))
    except ExpiredSignatureError as error:
        raise TokenExpired from error
    except (PyJWTError, JWTExtendedException, ValueError, OverflowError, RecursionError) as error:
        raise TokenInvalid from error
    if facts.type is not type_:
        raise TokenInvalid(WRONG_TYPE[facts.type])
    return facts


def read_claims(claims: dict[str, Any]) -> TokenFacts:
    """Return the claims of a verified token. Raises ValueError when one is missing or has a wrong
    type."""

    def text(name: str) -> str:
        if not isinstance(claims.get(name), str):
            raise ValueError(f"the claim {name} is missing")
        return str(claims[name])

    def moment(name: str) -> datetime:
        if type(claims.get(name)) is not int:
            raise ValueError(f"the claim {name} is missing")
        return datetime.fromtimestamp(claims[name], UTC)

    return TokenFacts(
        type=TokenType(text("typ")),
        id=UUID(text("jti")),
        user_id=UUID(text("sub")),
        tenant_id=UUID(text("tenant")),
        session_id=UUID(text("sid")),
        role=text("role"),
        issued_at=moment("iat"),
        expires_at=moment("exp"),
    )
