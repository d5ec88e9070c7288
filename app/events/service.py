"""Recording events for the tenant, in the transaction that makes them true."""

from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import config
from app.common.retention import month_floor
from app.events import catalogue, repository
from app.events.catalogue import EventType
from app.events.describe import describe
from app.models import Event, Message

__all__ = ["RECORD", "describe", "forget_old", "record", "record_message"]

RECORD = repository.RECORD
"""Inserts one event. For use in a statement that also makes the change of the event, in one round
trip.

Takes `given_tenant_id`, `given_event_id`, `given_event_type`, `given_event_version`,
`given_conversation_id`, `given_message_id` and `given_event_data`.
"""


def record(
    session: Session,
    event_type: EventType,
    data: dict[str, Any],
    *,
    conversation_id: UUID | None = None,
    message_id: UUID | None = None,
) -> None:
    """Record an event. `data` is its payload, as the catalogue describes it."""
    session.add(
        Event(
            type=event_type,
            version=catalogue.version_of(event_type),
            data=data,
            conversation_id=conversation_id,
            message_id=message_id,
        )
    )


def record_message(session: Session, event_type: EventType, message: Message, **more: Any) -> None:
    """Record an event of a message in its current state; `more` holds the other fields of the
    payload."""
    payload = catalogue.message_payload(
        message.id, message.provider_message_id, message.status, message.direction
    )
    record(
        session,
        event_type,
        {**payload, **more},
        conversation_id=message.conversation_id,
        message_id=message.id,
    )


def forget_old(session: Session, most: int) -> int:
    """Remove up to `most` events older than EVENT_RETENTION_DAYS from partitions that are still
    kept; return how many were removed."""
    floor = month_floor(config.current().event_retention_days)
    return repository.delete_before(session, floor, most) if floor else 0
