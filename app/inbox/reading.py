"""The progress of reading a channel's list, kept in the channel's row from page to page.

Lists come newest first, so a reading goes from its end, which is fixed when it begins, down to
where the last one ended. For each page a worker takes the row under a lease (`claim`) and releases
it (`advance`, `fail`, `postpone`); a worker that lost the lease changes nothing. An interrupted
reading continues at the same page, and `heard_until` moves only when a reading left nothing out.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import config, db
from app.channels.providers.base import Listing
from app.common.ids import new_id
from app.inbox import reading_repository as repository
from app.inbox.reading_repository import ReadingRules

log = structlog.get_logger(__name__)

EVERY = timedelta(minutes=15)
AGAIN = timedelta(minutes=2)
"""The time between two readings when another one is wanted soon."""

OVERLAP = timedelta(minutes=10)
"""The provider's list may show a message late, and its clock may differ from ours."""

STILL_COMING = timedelta(seconds=60)
"""A newer message may still arrive by webhook, which says more about it than the list does."""

CLOCK_MARGIN = timedelta(hours=1)

LEASE = timedelta(minutes=2)
"""The lease of one page, or of the details of one message: longer than any call to the provider."""

FIRST_RETRY = timedelta(minutes=1)
LONGEST_RETRY = timedelta(hours=1)

CLOSED_PAUSE = timedelta(hours=6)
"""The time between readings for channels of a closed tenant: thousands of them must not delay the
others."""

PATIENCE = 3
"""How often in a row the same page may fail. After that the reading continues with older messages.
"""

FIRST_SKIP = timedelta(hours=1)
"""The time range that is left out then; it doubles each time this fails as well."""

SAME_MOMENT = timedelta(minutes=1)
"""A list that is requested anew begins slightly later than this moment, because its dates are
rounded."""


class Outcome(Enum):
    """The result of one step of a reading."""

    NOTHING = auto()
    """The list is not due, or another worker reads it."""
    MORE = auto()
    """The reading continues now."""
    DONE = auto()
    """The reading is over."""
    LATER = auto()
    """The provider could not be reached."""


class LeaseLost(Exception):
    """The channel is disabled or gone, or another worker reads its list now."""


@dataclass(frozen=True)
class Reading:
    """A reading of one channel's list, held for one page by `holder`.

    It goes from `until` down to `since`. Messages newer than `below` have been compared, all of
    them unless `has_gap`. `page` comes next; it is None where the list must be requested anew.
    `tries`: how often that page failed. `now`: the database's time when it was claimed.
    """

    tenant_id: UUID
    channel_id: UUID
    holder: UUID
    rules: ReadingRules
    provider: str
    phone_number: str
    since: datetime
    until: datetime
    below: datetime | None
    page: str | None
    has_gap: bool
    tries: int
    now: datetime

    def listing(self) -> Listing:
        newest = None if self.below is None else self.below + SAME_MOMENT
        return Listing(self.phone_number, self.since, newest, self.page)


@dataclass(frozen=True)
class Compared:
    """A page that was compared with the inbox.

    `lowest`: the date of its oldest message. `next_page`: None at the end of the list. `left_out`:
    some missing messages could not be fetched. `is_awaited`: a message that is too new for this
    reading is missing as well.
    """

    lowest: datetime | None
    next_page: str | None
    left_out: bool
    is_awaited: bool


def kept() -> timedelta:
    """Items that were applied longer ago may have been removed, and must not be stored a second
    time."""
    return timedelta(days=config.current().inbox_retention_days) - CLOCK_MARGIN


def claim(tenant_id: UUID, channel_id: UUID, still_coming: timedelta) -> Reading | None:
    """Take the list of a due channel for one page; return None when it is not due or another worker
    has it."""
    rules, holder = ReadingRules(OVERLAP, kept(), still_coming, LEASE), new_id()
    with db.tenant_session(tenant_id) as session:
        row = repository.claim(session, channel_id, holder, rules)
    if row is None:
        return None
    return Reading(
        tenant_id=tenant_id,
        channel_id=channel_id,
        holder=holder,
        rules=rules,
        provider=row.provider,
        phone_number=row.phone_number,
        since=row.since,
        until=row.reading_until,
        below=row.reading_below,
        page=row.reading_page,
        has_gap=row.reading_has_gap,
        tries=row.repair_tries,
        now=row.now,
    )


@contextmanager
def held(reading: Reading) -> Iterator[tuple[Session, Any]]:
    """Open a transaction with the channel's row locked; yields both. Raises LeaseLost."""
    with db.tenant_session(reading.tenant_id) as session:
        row = repository.lock(session, reading.channel_id, reading.holder, reading.rules)
        if row is None:
            raise LeaseLost
        yield session, row


def renew(session: Session, reading: Reading) -> None:
    """Renew the lease. Call it inside `held`."""
    repository.renew(session, reading.channel_id, LEASE)


def pause(session: Session, reading: Reading) -> Outcome:
    """Have the same page requested again now, for what there was no time for. Call it inside
    `held`."""
    repository.give_back(session, reading.channel_id, timedelta(0))
    return Outcome.MORE


def advance(session: Session, row: Any, reading: Reading, compared: Compared) -> Outcome:
    """Record that the page was compared and its missing messages are stored. Call it inside
    `held`."""
    below, lowest = reading.below, compared.lowest
    has_moved = below is None or (lowest is not None and lowest < below)
    state = {
        # What was read before the failing page says nothing about that page.
        "repair_tries": 0 if has_moved else reading.tries,
        "repair_again": row.repair_again or compared.is_awaited,
        "reading_below": lowest if has_moved else below,
        "reading_page": compared.next_page,
        "reading_has_gap": reading.has_gap or compared.left_out,
    }
    if compared.next_page is None:
        if row.since >= reading.since:
            _end(session, row, reading, state)
            return Outcome.DONE
        # More was requested meanwhile: continue with older messages.
        state |= {"reading_since": row.since, "reading_below": reading.since}
    repository.give_back(session, reading.channel_id, timedelta(0), **state)
    return Outcome.MORE


def _end(session: Session, row: Any, reading: Reading, state: dict[str, Any]) -> None:
    """Set where the next reading begins: where this one ended, or, after a gap, where this one
    began."""
    if state["reading_has_gap"]:
        log.error("repaired_with_a_gap", channel_id=str(reading.channel_id))
        # All of it is read again each time, so the longer the range, the later the next reading.
        rest = min(max((reading.until - reading.since) / 24, AGAIN), LONGEST_RETRY)
        repository.end(session, reading.channel_id, _spread(rest), PATIENCE, None)
        return
    rest = AGAIN if state["repair_again"] else max(EVERY - (row.now - reading.until), AGAIN)
    repository.end(session, reading.channel_id, _spread(rest), 0, reading.until)


def fail(reading: Reading, reason: str) -> Outcome:
    """Record that the page could not be read: retry later, and after PATIENCE failures continue
    below it.

    Raises LeaseLost.
    """
    tries = reading.tries + 1
    rest = min(FIRST_RETRY * 2 ** min(reading.tries, 10), LONGEST_RETRY)
    log.warning(
        "cannot_repair_yet",
        channel_id=str(reading.channel_id),
        error=reason,
        tries=tries,
        pause_seconds=int(rest.total_seconds()),
    )
    if tries < PATIENCE:
        return postpone(reading, rest, tries)
    below = (reading.below or reading.until) - FIRST_SKIP * 2 ** min(tries - PATIENCE, 10)
    state = {"repair_tries": tries, "reading_below": below, "reading_has_gap": True}
    with held(reading) as (session, _):
        if below > reading.since:
            log.error("repair_skips", channel_id=str(reading.channel_id), down_to=below.isoformat())
            repository.give_back(
                session, reading.channel_id, _spread(rest), reading_page=None, **state
            )
        else:
            repository.end(session, reading.channel_id, _spread(rest), tries, None)
    return Outcome.LATER


def postpone(reading: Reading, rest: timedelta, tries: int) -> Outcome:
    """Continue later from the same time. The page must be requested anew, because its name may have
    expired.

    Raises LeaseLost.
    """
    with held(reading) as (session, _):
        repository.give_back(
            session, reading.channel_id, _spread(rest), repair_tries=tries, reading_page=None
        )
    return Outcome.LATER


def _spread(rest: timedelta) -> timedelta:
    """Vary the time by ± 10 %, so that not all channels of an installation are read in the same
    second."""
    return rest * random.uniform(0.9, 1.1)  # noqa: S311 - jitter, no secret
