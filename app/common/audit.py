"""The audit log: who changed what, in the transaction of the change.

The service may add entries and read them, and has no right to change or delete one. Months that are
older than AUDIT_RETENTION_DAYS go as a whole (migrations/months.py).
"""

from typing import Any
from uuid import UUID

from flask import g, has_request_context
from sqlalchemy import Text, insert, literal, select
from sqlalchemy.orm import Session

from app import db
from app.common.ids import new_id
from app.common.principal import Principal
from app.models import ActorType, AuditEntry, User


def record(
    session: Session,
    actor: Principal | None,
    action: str,
    subject: tuple[str, UUID | None],
    changes: dict[str, Any] | None = None,
) -> None:
    """Record that `actor` did `action` (`channel.updated`) to `subject` (type, id).

    An `actor` of None means the system itself; one of another tenant is somebody of the platform,
    whom a tenant does not know by name. `changes` must hold no secret: name the changed field of a
    secret, never its value.
    """
    is_own = actor is not None and actor.tenant_id == db.tenant_of(session)
    session.add(
        AuditEntry(
            actor_type=_type_of(actor, is_own=is_own),
            actor_id=actor.id if actor and is_own else None,
            actor_name=actor.name if actor and is_own else "",
            action=action,
            subject_type=subject[0],
            subject_id=subject[1],
            changes=changes or {},
            request_id=g.get("request_id") if has_request_context() else None,
        )
    )


def record_about_user(
    session: Session, user_id: UUID, action: str, changes: dict[str, Any]
) -> None:
    """Record what somebody unknown did about a user. The same statement runs for a user who does
    not exist, so that its time tells nothing."""
    columns: dict[str, Any] = {
        "tenant_id": literal(db.tenant_of(session)),
        "id": literal(new_id()),
        "actor_type": literal(str(ActorType.SYSTEM)),
        "actor_name": literal(""),
        "action": literal(action),
        "subject_type": literal("user"),
        "subject_id": User.id,
        "changes": literal(changes, AuditEntry.changes.type),
        "request_id": literal(g.get("request_id") if has_request_context() else None, Text),
    }
    found = select(*columns.values()).where(User.id == user_id)
    session.execute(insert(AuditEntry).from_select(list(columns), found, include_defaults=False))


def _type_of(actor: Principal | None, *, is_own: bool) -> ActorType:
    if actor is None:
        return ActorType.SYSTEM
    return ActorType(actor.caller.type) if is_own else ActorType.PLATFORM
