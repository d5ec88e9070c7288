"""The ledger of the inbox: how many events providers sent, and their results."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app import config
from app.common import clock
from app.common.pagination import Page, PageRequest
from app.inbox import repository
from app.inbox.errors import InboxItemNotFound
from app.inbox.repository import InboxFilter
from app.models import InboxItem

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Ledger:
    """received = applied + duplicate + ignored + parked + waiting, counted over the same time
    range.

    `received` counts the events that we acknowledged, duplicates included, and those that a repair
    found; `repaired` is how many of them no webhook reported.
    """

    since: datetime
    until: datetime
    received: int
    applied: int
    duplicate: int
    ignored: int
    parked: int
    waiting: int
    repaired: int


def count(session: Session, since: datetime | None, until: datetime | None) -> Ledger:
    """Return the ledger of a time range, by default the last 24 hours.

    A duplicate counts at the time of the first event.
    """
    until = until or clock.now()
    since = since or until - DAY
    found = repository.tally(session, InboxFilter(since, until))
    return Ledger(
        since=since,
        until=until,
        received=found.items + found.repeats,
        applied=found.applied,
        duplicate=found.repeats,
        ignored=found.ignored,
        parked=found.parked,
        waiting=found.received,
        repaired=found.repaired,
    )


def list_items(session: Session, wanted: InboxFilter, page: PageRequest) -> Page[InboxItem]:
    return repository.list_page(session, wanted, page)


def get_item(session: Session, item_id: UUID, *, lock: bool = False) -> InboxItem:
    """Raises InboxItemNotFound."""
    item = repository.find(session, item_id, lock=lock)
    if item is None:
        raise InboxItemNotFound
    return item


def forget_finished(session: Session, most: int) -> int:
    """Remove up to `most` finished items older than INBOX_RETENTION_DAYS; return how many were
    removed."""
    kept = timedelta(days=config.current().inbox_retention_days)
    return repository.delete_finished(session, kept, most)
