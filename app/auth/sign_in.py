"""Signing in, staying signed in, and signing out.

These functions open their transactions themselves, against the rule that the edge does so: the
tenant is unknown when they begin, and no connection may be held while a password is checked.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import config, db
from app.auth import passwords, pauses, repository, second_factor, tokens
from app.auth.errors import (
    InvalidCredentials,
    SecondFactorWrong,
    TokenExpired,
    TokenInvalid,
    TokenRevoked,
)
from app.auth.pauses import Guesses
from app.auth.service import EXPIRED_SESSIONS_KEPT
from app.auth.tokens import TokenFacts, TokenType
from app.common import audit, clock
from app.common.ids import new_id
from app.common.principal import Caller, CallerType, Principal
from app.config import Environment, Settings
from app.errors import InvalidInput
from app.models import RefreshToken, Role, Tenant, TenantStatus, User, UserSession, UserStatus

log = structlog.get_logger(__name__)

NOBODY = UUID(int=0)
LONGEST_USER_AGENT = 200
REFUSALS = (InvalidCredentials, SecondFactorWrong)
"""What makes a sign-in a wrong guess."""


@dataclass(frozen=True)
class TokenPair:
    """The answer to a client. `expires_in` is the access token's lifetime in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme


@dataclass(frozen=True)
class SignInUser:
    """The columns of a user that are read before the password is checked."""

    id: UUID
    tenant_id: UUID
    password_hash: str
    is_welcome: bool


@dataclass(frozen=True)
class SignInRequest:
    """What a person sends to sign in, and where from. `network` is an IPv4 address or an IPv6
    network."""

    username: str
    password: str
    code: str | None
    remote_address: str
    network: str
    user_agent: str


def sign_in(request: SignInRequest) -> TokenPair:
    """Sign a person in.

    Raises InvalidCredentials, the same after the same work for every wrong pair; Unavailable when
    too many wait, and TooManyGuesses, before any work; SecondFactorRequired and SecondFactorWrong
    after the right pair.
    """
    passwords.budget.refuse_early()
    with pauses.sign_ins(request.username, request.network).counted(*REFUSALS) as guesses:
        user = find_sign_in_user(request.username)
        try:
            return check_and_open(user, request, guesses)
        except REFUSALS as refusal:
            note_failure(user, request)
            log.warning("sign_in_refused", code=refusal.code, network=request.network)
            raise


def check_and_open(user: SignInUser | None, request: SignInRequest, guesses: Guesses) -> TokenPair:
    """Raises InvalidCredentials, SecondFactorRequired, SecondFactorWrong, TooManyGuesses."""
    is_right = passwords.verify(request.password, user.password_hash if user else None)
    guesses.refuse()
    if user is None or not is_right or not is_allowed(user, request):
        raise InvalidCredentials
    new_hash = None
    if passwords.needs_rehash(user.password_hash):
        new_hash = passwords.hash_password(request.password)
    with db.tenant_session(user.tenant_id) as session:
        return open_session(session, user, new_hash, request, guesses)


def is_allowed(user: SignInUser, request: SignInRequest) -> bool:
    is_published = request.password == passwords.DEMO_PASSWORD
    return user.is_welcome and (not is_published or demo_sign_in_allowed(request.remote_address))


def note_failure(user: SignInUser | None, request: SignInRequest) -> None:
    """Record a failed sign-in in the audit log of the person's tenant.

    Runs the same statements for a user who does not exist, and waits for no disk, so that it takes
    as long.
    """
    tenant_id, user_id = (user.tenant_id, user.id) if user else (NOBODY, NOBODY)
    with db.tenant_session(tenant_id) as session:
        repository.commit_without_waiting(session)
        changes = {"address": request.network}
        audit.record_about_user(session, user_id, "session.sign_in_failed", changes)


def find_sign_in_user(username: str) -> SignInUser | None:
    """Find the user. Runs the same queries for a user who does not exist, so that it takes as
    long."""
    with db.anonymous_session() as session:
        found = repository.resolve_username(session, username)
    tenant_id, user_id = found or (NOBODY, NOBODY)
    with db.tenant_session(tenant_id) as session:
        row = repository.find_user_and_tenant(session, user_id)
    if row is None:
        return None
    user, tenant = row
    return SignInUser(user.id, user.tenant_id, user.password_hash, is_welcome(user, tenant))


def is_welcome(user: User, tenant: Tenant) -> bool:
    return user.status == UserStatus.ACTIVE and tenant.status == TenantStatus.ACTIVE


def demo_sign_in_allowed(remote_address: str) -> bool:
    """Return whether the published password works: only on the developer's own machine."""
    return is_local_development(config.current()) and is_loopback(remote_address)


def is_local_development(settings: Settings) -> bool:
    """Return whether the service runs in development mode and is reached over loopback."""
    host = urlsplit(settings.public_base_url).hostname or ""
    return settings.app_env is Environment.DEVELOPMENT and is_loopback(host)


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def open_session(
    session: Session,
    seen: SignInUser,
    new_hash: str | None,
    request: SignInRequest,
    guesses: Guesses,
) -> TokenPair:
    """Create a sign-in of a user whose password was just checked.

    The row is locked and read again: if the password was changed meanwhile, the sign-in fails.
    """
    user = repository.find_user(session, seen.id, lock=True)
    tenant = repository.tenant(session)
    if user is None or user.password_hash != seen.password_hash or not is_welcome(user, tenant):
        raise InvalidCredentials
    guesses.refuse()
    second_factor.check(session, user, request.code)
    now = clock.now()
    user.last_login_at = now
    user.password_hash = new_hash or user.password_hash
    repository.delete_expired_sessions(session, user.id, now - EXPIRED_SESSIONS_KEPT)
    sign_in_row = UserSession(
        id=new_id(),
        user_id=user.id,
        address=request.network,
        user_agent=request.user_agent[:LONGEST_USER_AGENT],
        created_at=now,
        used_at=now,
        expires_at=refresh_end(now, now),
    )
    session.add(sign_in_row)
    session.flush()
    caller = Caller(CallerType.USER, user.tenant_id, user.id, sign_in_row.id)
    actor = Principal(caller, user.name or user.username, user.role, frozenset())
    changes = {"address": request.network}
    audit.record(session, actor, "session.signed_in", ("session", sign_in_row.id), changes)
    return issue_pair(user, new_refresh_token(session, sign_in_row, now))


def refresh_end(now: datetime, signed_in_at: datetime) -> datetime:
    """Return until when a refresh token is valid: no sign-in outlives SIGN_IN_MAX_SECONDS."""
    settings = config.current()
    end = now + timedelta(seconds=settings.refresh_token_seconds)
    return min(end, signed_in_at + timedelta(seconds=settings.sign_in_max_seconds))


def new_refresh_token(session: Session, sign_in_row: UserSession, now: datetime) -> RefreshToken:
    row = RefreshToken(
        id=new_id(),
        session_id=sign_in_row.id,
        issued_at=now,
        expires_at=refresh_end(now, sign_in_row.created_at),
    )
    session.add(row)
    session.flush()
    return row


def issue_pair(user: User, refresh: RefreshToken) -> TokenPair:
    """Return a fresh access token, and the refresh token, which is the same for each call."""
    now = clock.now()
    life = config.current().access_token_seconds
    access_token = tokens.encode(
        facts(TokenType.ACCESS, new_id(), user, refresh, (now, now + timedelta(seconds=life)))
    )
    refresh_token = tokens.encode(
        facts(TokenType.REFRESH, refresh.id, user, refresh, (refresh.issued_at, refresh.expires_at))
    )
    return TokenPair(access_token, refresh_token, life)


def facts(
    type_: TokenType, id_: UUID, user: User, refresh: RefreshToken, life: tuple[datetime, datetime]
) -> TokenFacts:
    return TokenFacts(
        type=type_,
        id=id_,
        user_id=user.id,
        tenant_id=user.tenant_id,
        session_id=refresh.session_id,
        role=str(Role(user.role)),
        issued_at=life[0],
        expires_at=life[1],
    )


def refresh_pair(text: str, network: str) -> TokenPair:
    """Exchange a refresh token for its successor and a new access token.

    A repeat within the grace period gets the same successor, because the first answer may have been
    lost. A later one, or one after the successor was used, means that two parties have the token,
    so the whole sign-in ends. Raises TokenInvalid, TokenExpired, TokenRevoked.
    """
    given = tokens.decode(text, TokenType.REFRESH)
    with db.tenant_session(given.tenant_id) as session:
        pair = rotate(session, given, network)
    if pair is None:
        raise TokenRevoked
    return pair


def rotate(session: Session, given: TokenFacts, network: str) -> TokenPair | None:
    """Return None when the sign-in was just ended because of reuse: that must be committed, not
    rolled back."""
    row = repository.find_refresh_token(session, given.id)
    if row is None or row.session_id != given.session_id:
        raise TokenInvalid
    user, sign_in_row = check_sign_in(session, row)
    now = clock.now()
    if row.expires_at <= now:
        raise TokenExpired
    if row.used_at is None:
        successor = new_refresh_token(session, sign_in_row, now)
        row.used_at, row.successor_id = now, successor.id
        sign_in_row.expires_at = successor.expires_at
        sign_in_row.used_at, sign_in_row.address = now, network
        repository.delete_expired_tokens(session, sign_in_row.id, now)
        return issue_pair(user, successor)
    grace = timedelta(seconds=config.current().refresh_grace_seconds)
    if row.successor_id is not None and now - row.used_at <= grace:
        successor = repository.get_refresh_token(session, row.successor_id)
        if successor.used_at is None:
            return issue_pair(user, successor)
    repository.revoke_sessions(session, "refresh_token_reused", session_id=sign_in_row.id)
    audit.record(session, None, "session.reuse_detected", ("user", user.id))
    return None


def check_sign_in(session: Session, row: RefreshToken) -> tuple[User, UserSession]:
    """Return the user and the sign-in of a refresh token. Raises TokenRevoked."""
    sign_in_row = repository.find_session(session, row.session_id)
    user = repository.find_user(session, sign_in_row.user_id) if sign_in_row else None
    if user is None or sign_in_row is None or sign_in_row.revoked_at is not None:
        raise TokenRevoked
    if not is_welcome(user, repository.tenant(session)):
        raise TokenRevoked
    return user, sign_in_row


def sign_out(session: Session, principal: Principal) -> None:
    """End the caller's own sign-in; its tokens are refused from the next request on."""
    own = principal.caller.session_id
    repository.revoke_sessions(session, "signed_out", session_id=own)
    audit.record(session, principal, "session.signed_out", ("session", own))


def change_password(principal: Principal, current: str, new: str) -> None:
    """Set the caller's own password and end all their other sign-ins.

    Raises InvalidInput, TooManyGuesses.
    """
    seen = second_factor.check_own_password(principal, current)
    passwords.check_rules(new, "new_password", seen.username)
    new_hash = passwords.hash_password(new)
    with db.tenant_session(principal.tenant_id) as session:
        user = repository.find_user(session, principal.id, lock=True)
        if user is None or user.password_hash != seen.password_hash:
            raise InvalidInput({"current_password": ["Your password was just changed elsewhere."]})
        user.password_hash = new_hash
        session.flush()
        keep = principal.caller.session_id
        repository.revoke_sessions(session, "password_changed", user_id=user.id, keep=keep)
        audit.record(session, principal, "user.password_changed", ("user", user.id))
