"""A person's own sign-ins: seeing them, and ending them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.auth import repository
from app.common import audit
from app.common.pagination import Page, PageRequest
from app.common.principal import Principal
from app.errors import NotFound
from app.models import UserSession


@dataclass(frozen=True)
class SignIn:
    """A sign-in that is in force. `address` is an IPv4 address or an IPv6 network."""

    id: UUID
    address: str
    user_agent: str
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    is_current: bool


def list_own(session: Session, principal: Principal, request: PageRequest) -> Page[SignIn]:
    page = repository.sessions_page(session, principal.id, request)
    return Page([_shown(row, principal) for row in page.items], page.next_cursor)


def end_own(session: Session, principal: Principal, session_id: UUID) -> None:
    """Raises NotFound unless it is a sign-in of the caller that is in force."""
    row = repository.find_session(session, session_id)
    if row is None or row.user_id != principal.id or row.revoked_at is not None:
        raise NotFound
    repository.revoke_sessions(session, "ended_by_user", session_id=session_id)
    audit.record(session, principal, "session.ended", ("session", session_id))


def end_others(session: Session, principal: Principal) -> None:
    """End all sign-ins of the caller but the one of this request."""
    keep = principal.caller.session_id
    repository.revoke_sessions(session, "ended_by_user", user_id=principal.id, keep=keep)
    audit.record(session, principal, "session.others_ended", ("user", principal.id))


def _shown(row: UserSession, principal: Principal) -> SignIn:
    return SignIn(
        id=row.id,
        address=row.address,
        user_agent=row.user_agent,
        created_at=row.created_at,
        last_used_at=row.used_at or row.created_at,
        expires_at=row.expires_at,
        is_current=row.id == principal.caller.session_id,
    )
