from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Update, and_, bindparam, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.channels.providers.base import HeardMessage
from app.common.ids import id_at, id_floor, new_id
from app.common.pagination import Page, PageRequest, fetch_page
from app.models import Channel, ChannelStatus, InboxItem, InboxState

ACTIVE_CHANNELS = text("""
    select tenant_id, id from recado.channels where status = 'active' order by tenant_id, id
""")


@dataclass(frozen=True)
class InboxFilter:
    """Which items: told to us at `since` or later, before `until`; None asks for nothing."""

    since: datetime | None = None
    until: datetime | None = None
    state: str | None = None
    channel_id: UUID | None = None


_STORE = (
    insert(InboxItem)
    .on_conflict_do_update(
        index_elements=["tenant_id", "channel_id", "event_key"],
        set_={"duplicates": InboxItem.duplicates + 1},
    )
    .returning(InboxItem.id)
)


def store(session: Session, channel_id: UUID, event_key: str, raw: str) -> UUID | None:
    """Keep an event; None when it was here before, which is counted."""
    item_id = new_id()
    given = {"id": item_id, "channel_id": channel_id, "event_key": event_key, "raw": raw}
    return item_id if session.scalar(_STORE, given) == item_id else None


def store_heard(session: Session, channel_id: UUID, event_key: str, heard: HeardMessage) -> bool:
    """Keep what only the provider's list told us, dated when it was written; False if known.

    Its id and date are of that moment, so that it stands in its place among the messages and the
    24-hour window counts from when the customer really wrote.
    """
    statement = (
        insert(InboxItem)
        .values(
            id=id_at(heard.created_at),
            created_at=heard.created_at,
            channel_id=channel_id,
            event_key=event_key,
            raw=heard.raw,
            is_repaired=True,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "channel_id", "event_key"])
        .returning(InboxItem.id)
    )
    return session.scalar(statement) is not None


def known_keys(session: Session, channel_id: UUID, event_keys: Sequence[str]) -> set[str]:
    """Which of these events the inbox holds."""
    query = select(InboxItem.event_key).where(
        InboxItem.channel_id == channel_id, InboxItem.event_key.in_(event_keys)
    )
    return set(session.scalars(query))


def take_due(session: Session, lease: timedelta, most: int) -> Sequence[UUID]:
    """The oldest items that wait, each with one try more; they come back when the lease ends.

    One that was taken before comes alone: should it be what kills its worker, it takes no other
    with it.
    """
    picked = (
        select(InboxItem.id, InboxItem.tries)
        .where(InboxItem.state == InboxState.RECEIVED, InboxItem.due_at <= func.now())
        .order_by(InboxItem.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(picked).all()
    fresh = [row.id for row in takewhile(lambda row: row.tries == 0, rows)]
    ids = fresh or [row.id for row in rows[:1]]
    session.execute(
        update(InboxItem)
        .where(InboxItem.id.in_(ids))
        .values(tries=InboxItem.tries + 1, due_at=func.now() + lease)
        .execution_options(synchronize_session=False)
    )
    return ids


_RECEIVED = (
    select(InboxItem, Channel.provider)
    .join(
        Channel,
        and_(Channel.tenant_id == InboxItem.tenant_id, Channel.id == InboxItem.channel_id),
    )
    .where(InboxItem.id == bindparam("item_id"), InboxItem.state == InboxState.RECEIVED)
    .with_for_update(of=InboxItem, skip_locked=True)
)


def lock_received(session: Session, item_id: UUID) -> Row[InboxItem, str] | None:
    """The item, held by this transaction, and its provider; None when it is finished or in other
    hands.
    """
    return session.execute(_RECEIVED, {"item_id": item_id}).one_or_none()


def find(session: Session, item_id: UUID, *, lock: bool = False) -> InboxItem | None:
    query = select(InboxItem).where(InboxItem.id == item_id)
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def list_page(session: Session, wanted: InboxFilter, page: PageRequest) -> Page[InboxItem]:
    """Newest first."""
    return fetch_page(session, narrowed(select(InboxItem), wanted), (InboxItem.id,), page)


def narrowed(query: Any, wanted: InboxFilter) -> Any:
    """The query, for these items alone. Ids ascend in time: a span of it is a span of the key."""
    if wanted.since is not None:
        query = query.where(InboxItem.id >= id_floor(wanted.since))
    if wanted.until is not None:
        query = query.where(InboxItem.id < id_floor(wanted.until))
    if wanted.state is not None:
        query = query.where(InboxItem.state == wanted.state)
    if wanted.channel_id is not None:
        query = query.where(InboxItem.channel_id == wanted.channel_id)
    return query


def tally(session: Session, wanted: InboxFilter) -> Any:
    """items, repeats, repaired, and one count for each state."""
    counts = [
        func.count().filter(InboxItem.state == state).label(str(state)) for state in InboxState
    ]
    query = select(
        func.count().label("items"),
        func.coalesce(func.sum(InboxItem.duplicates), 0).label("repeats"),
        func.count().filter(InboxItem.is_repaired).label("repaired"),
        *counts,
    ).select_from(InboxItem)
    return session.execute(narrowed(query, wanted)).one()


def put_back(session: Session, ids: Sequence[UUID]) -> int:
    """To be applied anew, with all tries; answers how many. The old reason stays until then."""
    statement = (
        update(InboxItem)
        .where(InboxItem.id.in_(ids))
        .values(state=InboxState.RECEIVED, tries=0, due_at=func.now(), finished_at=None)
        .execution_options(synchronize_session=False)
    )
    result: Any = session.execute(statement)
    return int(result.rowcount)


def lock_some(session: Session, wanted: InboxFilter, most: int) -> Sequence[UUID]:
    """The oldest of them, locked; what others hold is left to them."""
    query = narrowed(select(InboxItem.id), wanted)
    picked = query.order_by(InboxItem.id).limit(most).with_for_update(skip_locked=True)
    ids: Sequence[UUID] = session.scalars(picked).all()
    return ids


def delete_finished(session: Session, kept: timedelta, most: int) -> int:
    """Forget what was applied or ignored longer ago; what is parked waits for a person."""
    old = (
        select(InboxItem.id)
        .where(
            InboxItem.state.in_([InboxState.APPLIED, InboxState.IGNORED]),
            InboxItem.finished_at < func.now() - kept,
        )
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    result: Any = session.execute(
        delete(InboxItem).where(InboxItem.id.in_(old)).execution_options(synchronize_session=False)
    )
    return int(result.rowcount)


def active_channels(system: Session) -> list[tuple[UUID, UUID]]:
    """[(tenant, channel)] of the installation; needs a session of the system."""
    return [(row.tenant_id, row.id) for row in system.execute(ACTIVE_CHANNELS)]


def _of_channels(channel_id: UUID | None) -> Update:
    """A change of one active channel or all, which is no change of its settings."""
    statement = (
        update(Channel)
        .where(Channel.status == ChannelStatus.ACTIVE)
        .values(updated_at=Channel.updated_at)
        .execution_options(synchronize_session=False)
    )
    return statement if channel_id is None else statement.where(Channel.id == channel_id)


def doubt(session: Session, since: datetime | None, channel_id: UUID | None) -> int:
    """Have lists read as soon as may be, from `since` on; answers of how many channels."""
    values: dict[str, Any] = {"repair_at": func.now(), "repair_tries": 0}
    if since is not None:
        values["heard_until"] = func.least(Channel.heard_until, since)
    result: Any = session.execute(_of_channels(channel_id).values(values))
    return int(result.rowcount)


def claim_repair(session: Session, channel_id: UUID, lease: timedelta) -> Any:
    """Take a channel whose list is due; None when it is not, or in other hands."""
    statement = (
        _of_channels(channel_id)
        .where(Channel.repair_at <= func.now())
        .values(repair_at=func.now() + lease)
        .returning(
            Channel.provider,
            Channel.phone_number,
            Channel.created_at,
            Channel.heard_until,
            Channel.repair_at.label("lease_until"),
            Channel.repair_tries,
            func.now().label("now"),
        )
    )
    return session.execute(statement).one_or_none()


def end_repair(
    session: Session, channel_id: UUID, lease_until: datetime, pause: timedelta, until: datetime
) -> None:
    """The list was compared up to `until`; no change when somebody asked anew meanwhile."""
    session.execute(
        _of_channels(channel_id)
        .where(Channel.repair_at == lease_until)
        .values(
            repair_at=func.now() + pause,
            repair_tries=0,
            heard_until=func.greatest(Channel.heard_until, until),
        )
    )


def postpone_repair(
    session: Session, channel_id: UUID, lease_until: datetime, pause: timedelta
) -> None:
    """The list could not be read; no change when somebody asked anew meanwhile."""
    session.execute(
        _of_channels(channel_id)
        .where(Channel.repair_at == lease_until)
        .values(repair_at=func.now() + pause, repair_tries=Channel.repair_tries + 1)
    )
