from uuid import UUID

from sqlalchemy import bindparam, insert
from sqlalchemy.orm import Session

from app.common.retention import delete_some
from app.models import Event

RECORD = insert(Event.__table__).values(  # type: ignore[arg-type]  # declared as FromClause
    {
        Event.tenant_id: bindparam("given_tenant_id"),
        Event.id: bindparam("given_event_id"),
        Event.type: bindparam("given_event_type"),
        Event.version: bindparam("given_event_version"),
        Event.conversation_id: bindparam("given_conversation_id"),
        Event.message_id: bindparam("given_message_id"),
        Event.data: bindparam("given_event_data"),
    }
)


def delete_before(session: Session, floor: UUID, most: int) -> int:
    """Remove up to `most` events with a smaller id; returns how many were removed."""
    return delete_some(session, Event, Event.id < floor, most=most)
