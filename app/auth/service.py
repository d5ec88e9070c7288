"""Authentication: reads the caller from a request, then confirms it with the database."""

import hmac
from collections.abc import Collection
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import lru_cache
from typing import NamedTuple
from uuid import UUID

from flask import request
from sqlalchemy.orm import Session

from app import db
from app.auth import api_keys, passwords, pauses, repository, second_factor, tokens
from app.auth.api_keys import KEY, hash_key
from app.auth.errors import (
    ApiKeyExpired,
    ApiKeyInvalid,
    ApiKeyRevoked,
    TokenRevoked,
)
from app.auth.tokens import TokenType
from app.common import clock
from app.common.permissions import (
    OF_ROLE,
    SCOPES,
    TEST_SCOPES,
    WITHOUT_SECOND_FACTOR,
    Permission,
)
from app.common.principal import MODE_HEADER, Caller, CallerType, Principal
from app.errors import Unauthenticated, WrongMode
from app.models import (
    KeyMode,
    RefreshToken,
    Role,
    TenantStatus,
    User,
    UserSession,
    UserStatus,
)

KEYS_REMEMBERED = 4096
EXPIRED_SESSIONS_KEPT = timedelta(days=1)


class KeyFacts(NamedTuple):
    """The facts of an API key that never change. Its revocation is read from the database each
    time."""

    tenant_id: UUID
    id: UUID
    secret_hash: str
    is_test: bool


class MemberSummary(NamedTuple):
    """What other answers show of a member."""

    id: UUID
    username: str
    name: str


def caller_of_request() -> Caller | None:
    """Return the caller of the Authorization header, by a verified signature or key.

    Returns None without such a header. Raises Unauthenticated.
    """
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, credential = header.partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Unauthenticated
    credential = credential.strip()
    return (
        caller_of_key(credential) if credential.startswith("rk_") else caller_of_token(credential)
    )


def caller_of_token(text: str) -> Caller:
    """Raises TokenInvalid, TokenExpired."""
    facts = tokens.decode(text, TokenType.ACCESS)
    is_test = wanted_mode() == KeyMode.TEST
    return Caller(CallerType.USER, facts.tenant_id, facts.user_id, facts.session_id, is_test)


def caller_of_key(text: str) -> Caller:
    """Raises ApiKeyInvalid, WrongMode."""
    match = KEY.fullmatch(text)
    if match is None:
        raise ApiKeyInvalid
    facts = find_key(match["prefix"])
    if not hmac.compare_digest(facts.secret_hash, hash_key(text)):
        raise ApiKeyInvalid
    if wanted_mode() not in {None, KeyMode.TEST if facts.is_test else KeyMode.LIVE}:
        raise WrongMode
    return Caller(CallerType.API_KEY, facts.tenant_id, facts.id, is_test=facts.is_test)


def wanted_mode() -> KeyMode | None:
    """Return the mode that the request's header asks for. Raises WrongMode for an unknown one."""
    wanted = request.headers.get(MODE_HEADER)
    try:
        return None if wanted is None else KeyMode(wanted.strip().lower())
    except ValueError as error:
        raise WrongMode from error


@lru_cache(maxsize=KEYS_REMEMBERED)
def find_key(prefix: str) -> KeyFacts:
    """Raises ApiKeyInvalid for a prefix that no key has; this result is not cached."""
    with db.anonymous_session() as session:
        found = repository.resolve_api_key(session, prefix)
    if found is None:
        raise ApiKeyInvalid
    with db.tenant_session(found[0]) as session:
        row = repository.fixed_key_facts(session, found[1])
    if row is None:
        raise ApiKeyInvalid
    return KeyFacts(*found, row.secret_hash, row.mode == KeyMode.TEST)


def confirm(session: Session, caller: Caller) -> Principal:
    """Confirm, in the request's own transaction, that the caller is still allowed.

    Raises TokenRevoked, ApiKeyInvalid, ApiKeyRevoked, ApiKeyExpired.
    """
    if caller.type is CallerType.API_KEY:
        return confirm_key(session, caller)
    return confirm_user(session, caller)


def confirm_user(session: Session, caller: Caller) -> Principal:
    if caller.session_id is None:
        raise TokenRevoked
    row = repository.sign_in_facts(session, caller.id, caller.session_id)
    if (
        row is None
        or row.revoked_at is not None
        or row.expires_at <= clock.now()
        or row.status != UserStatus.ACTIVE
        or row.tenant_status != TenantStatus.ACTIVE
    ):
        raise TokenRevoked
    is_limited = second_factor.is_missing(row.role, has_one=row.totp_since is not None)
    permissions = WITHOUT_SECOND_FACTOR if is_limited else OF_ROLE[Role(row.role)]
    return Principal(caller, row.name or row.username, row.role, permissions)


def confirm_key(session: Session, caller: Caller) -> Principal:
    row = repository.api_key_facts(session, caller.id)
    if row is None:
        raise ApiKeyInvalid
    if row.revoked_at is not None or row.tenant_status != TenantStatus.ACTIVE:
        raise ApiKeyRevoked
    if row.expires_at is not None and row.expires_at <= clock.now():
        raise ApiKeyExpired
    if row.note_use:
        repository.note_use(session, caller.id)
    allowed = TEST_SCOPES if caller.is_test else SCOPES
    permissions = frozenset(scope for scope in allowed if scope in row.scopes)
    permissions |= {Permission.PROFILE}
    return Principal(caller, row.name, "api_key", permissions)


def hash_new_password(password: str, field: str = "password", username: str = "") -> str:
    """Return the hash of a new password of this user.

    Raises InvalidInput naming `field` when it breaks the rules, Unavailable when too many sign-ins
    wait.
    """
    passwords.check_rules(password, field, username)
    return passwords.hash_password(password)


def end_sign_ins(session: Session, reason: str, *, user_id: UUID | None = None) -> None:
    """Revoke all sign-ins of one user, or of the whole tenant; their tokens are refused at once."""
    repository.revoke_sessions(session, reason, user_id=user_id)


def settle_keys_of(
    session: Session, actor: Principal, user_id: UUID, *, revoke: bool | None
) -> None:
    """Revoke or keep the API keys of a member who is about to be removed. Raises Conflict."""
    api_keys.settle_keys_of(session, actor, user_id, revoke=revoke)


def forget_second_factor(user: User) -> None:
    """Let a user sign in with the password alone."""
    second_factor.forget(user)


def count_taken_usernames(
    tenant_id: UUID, taken: type[Exception]
) -> AbstractContextManager[pauses.Guesses]:
    """Count the block as an attempt to add a member, which raises `taken` for a taken username.

    After some of these, further attempts of the tenant meet growing pauses. Raises TooManyGuesses.
    """
    return pauses.taken_usernames(tenant_id).counted(taken)


def tenant_of_username(username: str) -> UUID | None:
    """Return the tenant whose member has this username."""
    found = find_username(username)
    return found[0] if found else None


def find_username(username: str) -> tuple[UUID, UUID] | None:
    """Return (tenant, user) of a username, or None."""
    with db.anonymous_session() as session:
        return repository.resolve_username(session, username)


def members(session: Session, ids: Collection[UUID]) -> dict[UUID, MemberSummary]:
    """Return the summary of each of these members, by id."""
    found = repository.members(session, ids) if ids else ()
    return {row.id: MemberSummary(row.id, row.username, row.name) for row in found}


def active_member(session: Session, user_id: UUID) -> User | None:
    """Return the member of this tenant, or None for somebody who may not sign in."""
    user = repository.find_user(session, user_id)
    return user if user is not None and user.status == UserStatus.ACTIVE else None


def is_password_of(user: User, password: str) -> bool:
    return passwords.verify(password, user.password_hash)


def forget_expired(session: Session, most: int) -> int:
    """Remove up to `most` expired sign-ins, and as many tokens; return the larger number."""
    before = clock.now() - EXPIRED_SESSIONS_KEPT
    return max(
        repository.delete_some_expired(session, RefreshToken, before, most),
        repository.delete_some_expired(session, UserSession, before, most),
    )
