from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Uuid, and_, any_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from app import db
from app.channels.providers.base import HeardMessage
from app.common.ids import id_at, id_floor, new_id
from app.common.pagination import Page, PageRequest, fetch_page
from app.common.retention import delete_some
from app.models import Channel, InboxItem, InboxState


@dataclass(frozen=True)
class InboxFilter:
    """Which items: received at `since` or later and before `until`. None means no filter."""

    since: datetime | None = None
    until: datetime | None = None
    state: str | None = None
    channel_id: UUID | None = None


AnyRow = Row[*tuple[Any, ...]]

NewEvent = tuple[UUID, str, str]
"""(channel, event key, raw text)."""

_STORE = """
    insert into recado.inbox_items as i
        (tenant_id, id, channel_id, event_key, raw, state, tries, duplicates)
    select %(tenant_id)s::uuid, told.*, 'received', 0, 0
    from unnest(
        %(ids)s::uuid[], %(channel_ids)s::uuid[], %(keys)s::text[], %(raws)s::text[]
    ) as told
    on conflict (tenant_id, channel_id, event_key) do update set duplicates = i.duplicates + 1
    returning i.id
"""


def store(tenant_id: UUID, told: Sequence[NewEvent]) -> int:
    """Store events in a transaction of its own; return how many are new. The others are counted as
    duplicates. No two of the given events may be the same."""
    # In one order, so that two webhooks with the same events do not deadlock.
    told = sorted(told)
    ids = [str(new_id()) for _ in told]
    given = {
        "tenant_id": str(tenant_id),
        "ids": ids,
        "channel_ids": [str(channel_id) for channel_id, _, _ in told],
        "keys": [key for _, key, _ in told],
        "raws": [raw for _, _, raw in told],
    }
    stored = {str(row.id) for row in db.run_alone(tenant_id, _STORE, given)}
    return len(stored.intersection(ids))


def store_heard(session: Session, channel_id: UUID, heard: Mapping[str, HeardMessage]) -> int:
    """Store messages that only the provider's list reported, by event key; return how many were
    new.

    Ids and dates are those of when the message was written, so that it stands in its place among
    the others and the 24-hour window counts from when the customer really wrote.
    """
    if not heard:
        return 0
    rows = [
        {
            "id": id_at(each.created_at),
            "created_at": each.created_at,
            "channel_id": channel_id,
            "event_key": key,
            "raw": each.raw,
            "is_repaired": True,
        }
        for key, each in sorted(heard.items())
    ]
    statement = (
        insert(InboxItem)
        .values(rows)
        .on_conflict_do_nothing(index_elements=["tenant_id", "channel_id", "event_key"])
        .returning(InboxItem.id)
    )
    return len(session.scalars(statement).all())


def known_keys(session: Session, channel_id: UUID, event_keys: Sequence[str]) -> set[str]:
    """Return which of these events the inbox holds."""
    query = select(InboxItem.event_key).where(
        InboxItem.channel_id == channel_id, InboxItem.event_key.in_(event_keys)
    )
    return set(session.scalars(query))


def take_due(session: Session, lease: timedelta, most: int) -> Sequence[UUID]:
    """Take the oldest waiting items and count an attempt for each; they come back when the lease
    ends.

    An item that was taken before is taken alone: if it kills its worker, it takes no other with it.
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
    """Return the item, locked, and its provider; None when it is finished or locked by another
    transaction."""
    return session.execute(_RECEIVED, {"item_id": item_id}).one_or_none()


_RECEIVED_TOGETHER = (
    select(
        InboxItem.id,
        InboxItem.channel_id,
        InboxItem.raw,
        InboxItem.created_at,
        InboxItem.tries,
        Channel.provider,
    )
    .join(
        Channel,
        and_(Channel.tenant_id == InboxItem.tenant_id, Channel.id == InboxItem.channel_id),
    )
    .where(
        InboxItem.id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
        InboxItem.state == InboxState.RECEIVED,
    )
    .order_by(InboxItem.id)
    .with_for_update(of=InboxItem, skip_locked=True)
)


def lock_received_together(session: Session, ids: Sequence[UUID]) -> Sequence[AnyRow]:
    """Lock those of these items that wait, oldest first, and return their `id`, `channel_id`,
    `raw`, `created_at`, `tries` and `provider`."""
    return session.execute(_RECEIVED_TOGETHER, {"ids": list(ids)}).all()


_APPLIED = (
    update(InboxItem)
    .where(InboxItem.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
    .values(state=InboxState.APPLIED, reason=None, finished_at=func.now())
    .execution_options(synchronize_session=False)
)


def note_applied(session: Session, ids: Sequence[UUID]) -> None:
    """Mark these items as applied. The caller holds their locks."""
    session.execute(_APPLIED, {"ids": list(ids)})


def find(session: Session, item_id: UUID, *, lock: bool = False) -> InboxItem | None:
    query = select(InboxItem).where(InboxItem.id == item_id)
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def list_page(session: Session, wanted: InboxFilter, page: PageRequest) -> Page[InboxItem]:
    """Return one page, newest first."""
    return fetch_page(session, narrowed(select(InboxItem), wanted), (InboxItem.id,), page)


def narrowed(query: Any, wanted: InboxFilter) -> Any:
    """Restrict the query to these items. Ids ascend in time, so a time range is a range of the
    key."""
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
    """Count items, duplicates (`repeats`), repaired ones, and the items of each state."""
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
    """Make these items wait again with all attempts; return how many. The old reason stays until
    then."""
    statement = (
        update(InboxItem)
        .where(InboxItem.id.in_(ids))
        .values(state=InboxState.RECEIVED, tries=0, due_at=func.now(), finished_at=None)
        .execution_options(synchronize_session=False)
    )
    result: Any = session.execute(statement)
    return int(result.rowcount)


def lock_some(session: Session, wanted: InboxFilter, most: int) -> Sequence[UUID]:
    """Lock the oldest of them; rows that others have locked are skipped."""
    query = narrowed(select(InboxItem.id), wanted)
    picked = query.order_by(InboxItem.id).limit(most).with_for_update(skip_locked=True)
    ids: Sequence[UUID] = session.scalars(picked).all()
    return ids


def delete_finished(session: Session, kept: timedelta, most: int) -> int:
    """Remove items that were applied or ignored longer ago. Parked items wait for a person."""
    is_done = InboxItem.state.in_([InboxState.APPLIED, InboxState.IGNORED])
    is_old = InboxItem.finished_at < func.now() - kept
    return delete_some(session, InboxItem, is_done, is_old, most=most)
