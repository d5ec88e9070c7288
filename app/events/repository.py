from uuid import UUID

from sqlalchemy.orm import Session

from app.common.retention import delete_some
from app.models import Event


def delete_before(session: Session, floor: UUID, most: int) -> int:
    """Remove up to `most` events with a smaller id; answers how many went."""
    return delete_some(session, Event, Event.id < floor, most=most)
