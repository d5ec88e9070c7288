"""Writing facts down for the tenant, in the transaction that makes them true."""

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, insert
from sqlalchemy.orm import Session

from app import config
from app.common.retention import month_floor
from app.events import repository
from app.models import Event, Message

RECORD = insert(Event.__table__).values(  # type: ignore[arg-type]  # declared as FromClause
    {
        Event.tenant_id: bindparam("given_tenant_id"),
        Event.id: bindparam("given_event_id"),
        Event.type: bindparam("given_event_type"),
        Event.conversation_id: bindparam("given_conversation_id"),
        Event.message_id: bindparam("given_message_id"),
        Event.data: bindparam("given_event_data"),
    }
)
"""One fact, for a statement that also does what it speaks of."""


def record(
    session: Session,
    event_type: str,
    data: dict[str, Any],
    *,
    conversation_id: UUID | None = None,
    message_id: UUID | None = None,
) -> None:
    """Write the fact `event_type`, e.g. `message.delivered`."""
    session.add(
        Event(
            type=event_type,
            data=data,
            conversation_id=conversation_id,
            message_id=message_id,
        )
    )


def record_message(
    session: Session, message: Message, event: str, data: dict[str, Any] | None = None
) -> None:
    """A fact about one message: `event` without its `message.`; `data` adds to the ids."""
    record(
        session,
        f"message.{event}",
        message_data(message) | (data or {}),
        conversation_id=message.conversation_id,
        message_id=message.id,
    )


def message_data(message: Message) -> dict[str, Any]:
    """What every fact about a message says of it."""
    return {
        "message_id": str(message.id),
        "message_sid": message.provider_message_id,
        "status": message.status,
        "direction": message.direction,
    }


def forget_old(session: Session, most: int) -> int:
    """Remove up to `most` events older than EVENT_RETENTION_DAYS that no month took with it;
    answers how many went."""
    floor = month_floor(config.current().event_retention_days)
    return repository.delete_before(session, floor, most) if floor else 0
