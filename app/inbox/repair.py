"""Repair: read the provider's list of messages, and store those that no webhook reported.

A webhook is lost when we did not answer within the few seconds in which the provider retries. The
database cannot know whether that happened, so each channel keeps the time up to which its list was
compared with the inbox (`heard_until`), and when it is compared next (`repair_at`). See
`app.inbox.reading` for how a reading continues from page to page.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import db
from app.channels import service as channels
from app.channels.providers.base import Client, HeardMessage, HeardPage, ProviderUnavailable
from app.channels.providers.registry import provider_of
from app.common import leases
from app.common.encryption import CannotOpen
from app.inbox import reading as readings
from app.inbox import reading_repository, repository
from app.inbox.reading import CLOCK_MARGIN, STILL_COMING, Compared, LeaseLost, Outcome, Reading
from app.metrics import service as metrics
from app.tasks import names
from app.tasks.drain import name_of, stopping
from app.tasks.ring import ring

log = structlog.get_logger(__name__)

AT_ONCE = 2
"""Readings of one tenant at the same time, in the whole installation."""

COMPLETING_SECONDS = 10.0
"""Time in one step for fetching details that the list leaves out; the next step continues."""

WITHOUT_THE_REST = timedelta(days=1)
"""A message older than this whose details still cannot be fetched is stored as the list has it."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class PageResult:
    """The result of one page."""

    outcome: Outcome
    listed: int = 0
    stored: int = 0


@dataclass(frozen=True)
class Repaired:
    """`listed` messages were in the provider's list; `stored` of them were new to us."""

    listed: int
    stored: int


@dataclass(frozen=True)
class Found:
    """The messages of a page that belong to its reading.

    `missing`: messages that the inbox lacks, by event key. `young`: how many more it lacks that may
    still arrive by webhook.
    """

    messages: Mapping[str, HeardMessage]
    missing: Mapping[str, HeardMessage]
    young: int


@dataclass(frozen=True)
class Completed:
    """`stored` messages were completed and stored, `left_out` could not be completed. `is_all`:
    there was time for all of them."""

    stored: int
    left_out: int
    is_all: bool


@contextmanager
def slot(tenant_id: UUID) -> Iterator[bool]:
    """Hold one of a tenant's AT_ONCE slots during the block; yields False while all are taken."""
    with ExitStack() as stack:
        yield any(
            stack.enter_context(leases.hold(name_of(names.REPAIR_CHANNEL, tenant_id, number)))
            for number in range(AT_ONCE)
        )


def alone(tenant_id: UUID, channel_id: UUID) -> AbstractContextManager[bool]:
    """Keep other workers from reading the channel's list during the block; yields False if one
    does."""
    return leases.hold(name_of(names.REPAIR_CHANNEL, tenant_id, channel_id))


def read_list(
    tenant_id: UUID, channel_id: UUID, *, still_coming: timedelta = STILL_COMING
) -> Repaired | None:
    """Read the whole list of a due channel.

    Returns None when it is not due, when another worker reads it, or when the provider could not be
    reached; then it is read later.
    """
    step = PageResult(Outcome.MORE)
    listed = stored = 0
    while step.outcome is Outcome.MORE:
        step = read_page(tenant_id, channel_id, still_coming=still_coming)
        listed, stored = listed + step.listed, stored + step.stored
    return Repaired(listed, stored) if step.outcome is Outcome.DONE else None


def is_due(tenant_id: UUID, channel_id: UUID) -> bool:
    with db.tenant_session(tenant_id) as session:
        return reading_repository.is_due(session, channel_id)


def read_page(
    tenant_id: UUID, channel_id: UUID, *, still_coming: timedelta = STILL_COMING
) -> PageResult:
    """Compare one page of a due channel's list with the inbox, and store the missing messages."""
    reading = readings.claim(tenant_id, channel_id, still_coming)
    if reading is None:
        return PageResult(Outcome.NOTHING)
    try:
        return _read(reading)
    except LeaseLost:
        return PageResult(Outcome.NOTHING)


def _read(reading: Reading) -> PageResult:
    """Raises LeaseLost."""
    try:
        client = channels.client_for(reading.tenant_id, reading.channel_id)
        page = HeardPage(())
        if provider_of(reading.provider).capabilities.lists_heard:
            page = _ask(lambda: client.heard_messages(reading.listing()))
        found = _compare(reading, page)
        completed = _complete(reading, client, found.missing)
    except channels.ChannelGone:
        return PageResult(readings.postpone(reading, readings.CLOSED_PAUSE, reading.tries))
    except (ProviderUnavailable, CannotOpen) as error:
        return PageResult(readings.fail(reading, str(error) or type(error).__name__))
    return _record(reading, page, found, completed)


def _ask(call: Callable[[], Answer]) -> Answer:
    """Raises ProviderUnavailable, also for a bug in the provider's adapter."""
    try:
        return call()
    except ProviderUnavailable:
        raise
    except Exception as error:
        log.exception("list_broke")
        raise ProviderUnavailable(type(error).__name__) from error


def _compare(reading: Reading, page: HeardPage) -> Found:
    if page.unreadable:
        log.warning("unreadable_rows", channel_id=str(reading.channel_id), rows=page.unreadable)
    # Dates in lists have whole seconds, and a date in the future is invalid.
    first, last = reading.since.replace(microsecond=0), reading.now + CLOCK_MARGIN
    messages = {each.key: each for each in page.messages if first <= each.created_at <= last}
    with db.tenant_session(reading.tenant_id) as session:
        known = repository.known_keys(session, reading.channel_id, list(messages))
    unknown = {key: each for key, each in messages.items() if key not in known}
    missing = {key: each for key, each in unknown.items() if each.created_at <= reading.until}
    return Found(messages, missing, young=len(unknown) - len(missing))


def _complete(reading: Reading, client: Client, missing: Mapping[str, HeardMessage]) -> Completed:
    """Fetch the details that the list leaves out of some messages, and store each message at once.

    The order is random, so that one that hangs does not always delay the same others. Raises
    ProviderUnavailable when the time ran out without a success, LeaseLost.
    """
    until = time.monotonic() + COMPLETING_SECONDS
    waiting = [(key, each) for key, each in missing.items() if not each.is_whole]
    random.shuffle(waiting)
    stored = left_out = 0
    for number, (key, message) in enumerate(waiting):
        if number and (time.monotonic() > until or stopping.is_set()):
            if left_out and not stored:
                raise ProviderUnavailable("no message could be completed")
            return Completed(stored, left_out, is_all=False)
        whole = _whole(reading, client, message)
        if whole is None:
            left_out += 1
            continue
        with readings.held(reading) as (session, _):
            readings.renew(session, reading)
            stored += _store(session, reading, {key: whole})
    return Completed(stored, left_out, is_all=True)


def _whole(reading: Reading, client: Client, message: HeardMessage) -> HeardMessage | None:
    try:
        return _ask(lambda: client.complete(message))
    except ProviderUnavailable as error:
        is_old = reading.now - message.created_at > WITHOUT_THE_REST
        log.warning(
            "cannot_complete",
            channel_id=str(reading.channel_id),
            provider_message_id=message.provider_message_id,
            error=str(error),
            taken_as_it_is=is_old,
        )
        return message if is_old else None


def _record(reading: Reading, page: HeardPage, found: Found, completed: Completed) -> PageResult:
    """Store the other missing messages, together with the progress of the reading.

    Raises LeaseLost.
    """
    whole = {key: each for key, each in found.missing.items() if each.is_whole}
    is_past = bool(page.messages) and all(
        each.created_at < reading.since.replace(microsecond=0) for each in page.messages
    )
    compared = Compared(
        lowest=min((each.created_at for each in found.messages.values()), default=None),
        next_page=None if is_past else page.next_page,
        left_out=completed.left_out > 0,
        is_awaited=found.young > 0,
    )
    with readings.held(reading) as (session, row):
        stored = completed.stored + _store(session, reading, whole)
        if stored:
            log.warning("repaired", channel_id=str(reading.channel_id), stored=stored)
        if not completed.is_all:
            return PageResult(readings.pause(session, reading), stored=stored)
        outcome = readings.advance(session, row, reading, compared)
    return PageResult(outcome, len(found.messages), stored)


def _store(session: Session, reading: Reading, heard: Mapping[str, HeardMessage]) -> int:
    stored = repository.store_heard(session, reading.channel_id, heard)
    if stored:
        ring(session, names.APPLY_INBOX, reading.tenant_id)
        metrics.count_inbox(session, "repaired", stored)
    return stored
