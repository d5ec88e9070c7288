"""Queries about users' sign-ins and API keys."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, delete, func, select, text, update
from sqlalchemy.orm import Session

from app.common.pagination import Page, PageRequest, fetch_page
from app.common.retention import delete_some
from app.models import ApiKey, RefreshToken, Tenant, User, UserSession

RESOLVE_USERNAME = text("select tenant_id, user_id from recado.resolve_username(:given)")
RESOLVE_API_KEY = text("select tenant_id, api_key_id from recado.resolve_api_key(:given)")


def resolve_username(session: Session, username: str) -> tuple[UUID, UUID] | None:
    """Return (tenant, user) of a username in any tenant."""
    row = session.execute(RESOLVE_USERNAME, {"given": username}).one_or_none()
    return (row.tenant_id, row.user_id) if row else None


def resolve_api_key(session: Session, prefix: str) -> tuple[UUID, UUID] | None:
    """Return (tenant, key) of an API key's prefix in any tenant."""
    row = session.execute(RESOLVE_API_KEY, {"given": prefix}).one_or_none()
    return (row.tenant_id, row.api_key_id) if row else None


def commit_without_waiting(session: Session) -> None:
    """Let this transaction's commit return before it is on disk."""
    session.execute(text("set local synchronous_commit = off"))


def find_user(session: Session, user_id: UUID, *, lock: bool = False) -> User | None:
    query = select(User).where(User.id == user_id)
    return session.scalars(query.with_for_update(key_share=True) if lock else query).one_or_none()


def members(session: Session, ids: Collection[UUID]) -> Sequence[Row[UUID, str, str]]:
    """Return (id, username, name) of each of these users that exists."""
    return session.execute(select(User.id, User.username, User.name).where(User.id.in_(ids))).all()


def find_user_and_tenant(session: Session, user_id: UUID) -> tuple[User, Tenant] | None:
    query = select(User, Tenant).join(Tenant, Tenant.tenant_id == User.tenant_id)
    row = session.execute(query.where(User.id == user_id)).one_or_none()
    return (row[0], row[1]) if row else None


def tenant(session: Session) -> Tenant:
    """Return the tenant of this transaction."""
    return session.scalars(select(Tenant)).one()


# Each request runs both: a statement that is built once is compiled once.
SIGN_IN_FACTS = (
    select(
        User.username,
        User.name,
        User.role,
        User.status,
        UserSession.revoked_at,
        UserSession.expires_at,
        User.totp_since,
        Tenant.status.label("tenant_status"),
    )
    .join(UserSession, UserSession.user_id == User.id)
    .join(Tenant, Tenant.tenant_id == User.tenant_id)
    .where(User.id == bindparam("user_id"), UserSession.id == bindparam("session_id"))
)
API_KEY_FACTS = (
    select(
        ApiKey.name,
        ApiKey.scopes,
        ApiKey.revoked_at,
        ApiKey.expires_at,
        func.coalesce(
            ApiKey.last_used_at < func.now() - text("interval '1 minute'"),
            True,
        ).label("note_use"),
        Tenant.status.label("tenant_status"),
    )
    .join(Tenant, Tenant.tenant_id == ApiKey.tenant_id)
    .where(ApiKey.id == bindparam("key_id"))
)


def sign_in_facts(session: Session, user_id: UUID, session_id: UUID) -> Any:
    """Return all facts that decide whether a user's token is valid, by one query; None without a
    row."""
    given = {"user_id": user_id, "session_id": session_id}
    return session.execute(SIGN_IN_FACTS, given).one_or_none()


def api_key_facts(session: Session, key_id: UUID) -> Any:
    """Return all facts that decide whether an API key is valid, by one query; None without a
    row."""
    return session.execute(API_KEY_FACTS, {"key_id": key_id}).one_or_none()


def note_use(session: Session, key_id: UUID) -> None:
    """Set last_used_at, unless a simultaneous request is doing so: no request waits for it."""
    free = select(ApiKey.id).where(ApiKey.id == key_id).with_for_update(skip_locked=True)
    session.execute(
        update(ApiKey)
        .where(ApiKey.id.in_(free))
        .values(last_used_at=func.now())
        .execution_options(synchronize_session=False)
    )


def find_refresh_token(session: Session, token_id: UUID) -> RefreshToken | None:
    """Return the token's row, locked: of two simultaneous uses the second sees the first."""
    query = select(RefreshToken).where(RefreshToken.id == token_id).with_for_update()
    return session.scalars(query).one_or_none()


def get_refresh_token(session: Session, token_id: UUID) -> RefreshToken:
    return session.scalars(select(RefreshToken).where(RefreshToken.id == token_id)).one()


def find_session(session: Session, session_id: UUID) -> UserSession | None:
    return session.scalars(select(UserSession).where(UserSession.id == session_id)).one_or_none()


def sessions_page(session: Session, user_id: UUID, request: PageRequest) -> Page[UserSession]:
    """Return the sign-ins of a user that are in force."""
    in_force = select(UserSession).where(
        UserSession.user_id == user_id,
        UserSession.revoked_at.is_(None),
        UserSession.expires_at > func.now(),
    )
    return fetch_page(session, in_force, [UserSession.id], request)


def revoke_sessions(
    session: Session,
    reason: str,
    *,
    session_id: UUID | None = None,
    user_id: UUID | None = None,
    keep: UUID | None = None,
) -> None:
    """End one session, all sessions of one user, or all of the tenant, except `keep`."""
    query = update(UserSession).where(UserSession.revoked_at.is_(None))
    if session_id is not None:
        query = query.where(UserSession.id == session_id)
    if user_id is not None:
        query = query.where(UserSession.user_id == user_id)
    if keep is not None:
        query = query.where(UserSession.id != keep)
    session.execute(query.values(revoked_at=func.now(), revoked_reason=reason))


def delete_expired_sessions(session: Session, user_id: UUID, before: datetime) -> None:
    """Remove expired sessions, with their refresh tokens."""
    session.execute(
        delete(UserSession).where(UserSession.user_id == user_id, UserSession.expires_at < before)
    )


def delete_expired_tokens(session: Session, session_id: UUID, before: datetime) -> None:
    session.execute(
        delete(RefreshToken).where(
            RefreshToken.session_id == session_id, RefreshToken.expires_at < before
        )
    )


def delete_some_expired(
    session: Session, table: type[UserSession] | type[RefreshToken], before: datetime, most: int
) -> int:
    """Remove some expired tokens of all users; rows that are locked are left for the next run."""
    return delete_some(session, table, table.expires_at < before, most=most)


def api_keys_page(session: Session, request: PageRequest) -> Page[ApiKey]:
    in_force = select(ApiKey).where(ApiKey.revoked_at.is_(None))
    return fetch_page(session, in_force, [ApiKey.id], request)


def api_keys_of(session: Session, user_id: UUID) -> Sequence[ApiKey]:
    """Return the keys in force that a user created."""
    query = select(ApiKey).where(ApiKey.created_by == user_id, ApiKey.revoked_at.is_(None))
    return session.scalars(query.order_by(ApiKey.id)).all()


def find_api_key(session: Session, key_id: UUID) -> ApiKey | None:
    """Return a key that is not revoked."""
    query = select(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    return session.scalars(query).one_or_none()


def fixed_key_facts(session: Session, key_id: UUID) -> Row[str, str] | None:
    """Return what never changes of a key: `secret_hash` and `mode`."""
    query = select(ApiKey.secret_hash, ApiKey.mode).where(ApiKey.id == key_id)
    return session.execute(query).one_or_none()
