from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.common.ids import new_id
from app.models import Channel, InboxItem, InboxState


def store(session: Session, channel_id: UUID, event_key: str, raw: str) -> UUID | None:
    """Keep an event; None when it was here before, which is counted."""
    item_id = new_id()
    statement = (
        insert(InboxItem)
        .values(id=item_id, channel_id=channel_id, event_key=event_key, raw=raw)
        .on_conflict_do_update(
            index_elements=["tenant_id", "channel_id", "event_key"],
            set_={"duplicates": InboxItem.duplicates + 1},
        )
        .returning(InboxItem.id)
    )
    return item_id if session.scalar(statement) == item_id else None


def take_due(session: Session, lease: timedelta, most: int) -> Sequence[UUID]:
    """The oldest items that wait, each with one try more; they come back when the lease ends."""
    picked = (
        select(InboxItem.id)
        .where(InboxItem.state == InboxState.RECEIVED, InboxItem.due_at <= func.now())
        .order_by(InboxItem.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    ids = session.scalars(picked).all()
    session.execute(
        update(InboxItem)
        .where(InboxItem.id.in_(ids))
        .values(tries=InboxItem.tries + 1, due_at=func.now() + lease)
        .execution_options(synchronize_session=False)
    )
    return ids


def lock_received(session: Session, item_id: UUID) -> InboxItem | None:
    """The item, held by this transaction; None when it is finished or in other hands."""
    query = (
        select(InboxItem)
        .where(InboxItem.id == item_id, InboxItem.state == InboxState.RECEIVED)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(query).one_or_none()


def channel_of(session: Session, tenant_id: UUID, channel_id: UUID) -> Channel | None:
    return session.get(Channel, (tenant_id, channel_id))
