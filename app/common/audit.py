"""The audit log: who changed what, in the transaction of the change."""

from typing import Any
from uuid import UUID

from flask import g, has_request_context
from sqlalchemy.orm import Session

from app import config
from app.common.principal import Principal
from app.common.retention import Expiring, delete_some, month_floor
from app.models import AuditEntry


def record(
    session: Session,
    actor: Principal | None,
    action: str,
    subject: tuple[str, UUID | None],
    changes: dict[str, Any] | None = None,
) -> None:
    """Record that `actor` did `action` (`channel.updated`) to `subject` (type, id).

    An `actor` of None means the system itself. `changes` must hold no secret: name the changed
    field of a secret, never its value.
    """
    session.add(
        AuditEntry(
            actor_type=str(actor.caller.type) if actor else "system",
            actor_id=actor.id if actor else None,
            actor_name=actor.name if actor else "",
            action=action,
            subject_type=subject[0],
            subject_id=subject[1],
            changes=changes or {},
            request_id=g.get("request_id") if has_request_context() else None,
        )
    )


def forget_old(session: Session, most: int) -> int:
    """Remove up to `most` entries older than AUDIT_RETENTION_DAYS from partitions that are still
    kept; return how many were removed."""
    floor = month_floor(config.current().audit_retention_days)
    return delete_some(session, AuditEntry, AuditEntry.id < floor, most=most) if floor else 0


def _floor() -> dict[str, Any]:
    return {"audit_since": month_floor(config.current().audit_retention_days)}


EXPIRING = Expiring({"audit_entries": "id < :audit_since"}, forget_old, _floor)
