"""Writing facts down for the tenant, in the transaction that makes them true."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.models import Event, Message


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
        {
            "message_id": str(message.id),
            "message_sid": message.provider_message_id,
            "status": message.status,
            "direction": message.direction,
            **(data or {}),
        },
        conversation_id=message.conversation_id,
        message_id=message.id,
    )
