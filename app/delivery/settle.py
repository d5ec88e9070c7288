"""Uncertain → settled: first a receipt may tell; then the provider's list is read, twice.

A worker that died leaves its claim: when the lease runs out, that message is uncertain as well,
for the call may have been made. What two readings do not find was not sent: it goes out again
(policy `default`), or its fate stays `unknown` and the tenant is told (`at_most_once`).

Every doubt ends. A message is sent so often without a clear answer and no oftener. A list that
cannot be read is tried again after growing pauses until the message has been uncertain for
UNCERTAIN_MAX_SECONDS. Then it ends `unknown`, and the conversation goes on.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import func
from sqlalchemy.orm import Session

from app import config, db
from app.channels import service as channels
from app.channels.providers.base import ProviderUnavailable, SentMessage
from app.common.encryption import CannotOpen
from app.common.phone import stored_address
from app.delivery import fates, lists, repository
from app.messages import lifecycle
from app.messages import service as messages
from app.models import Attempt, AttemptOutcome, Status

log = structlog.get_logger(__name__)

SLICE_SECONDS = 10.0
"""Then the thread looks after other channels first."""

AT_ONCE = 100
"""Messages that one transaction looks at."""

LISTS = 8
"""Doubts of one channel in a step. When the first one's list can be read, the others' are read side
by side; else they are not asked for, so a list that hangs is waited for once."""

MOST_READERS = 48
MOST_IN_TROUBLE = 16
"""Channels whose lists this process reads at a time, and how many of them may be such whose last
reading failed. The other threads of its pool of 64 stay free for what needs no list."""

NO_ROOM_SECONDS = 10.0
"""So long the doubts of a channel wait when as many lists as may be are being read."""


class Unread(StrEnum):
    """Why there is no list."""

    UNREADABLE = "unreadable"
    NO_LIST = "no_list"


Listed = Sequence[SentMessage] | Unread


@dataclass(frozen=True)
class Doubt:
    """An uncertain message, as far as asking the provider about it needs.

    `is_overdue`: it has been uncertain for longer than it may be, should its list be unreadable.
    """

    message_id: UUID
    attempt: int
    from_number: str
    to_number: str
    is_test: bool
    is_overdue: bool


_room = threading.BoundedSemaphore(MOST_READERS)
_room_in_trouble = threading.BoundedSemaphore(MOST_IN_TROUBLE)


def settle_some(tenant_id: UUID, channel_id: UUID) -> bool:
    """One step of the channel's drain: claims and doubts whose time is up.

    Answers whether there may be more. No transaction is open while a list is read.
    """
    state = lists.state(channel_id)
    with ExitStack() as stack:
        wait = state.closed_for
        if not wait and not _enter(stack, state):
            wait = NO_ROOM_SECONDS
        with db.tenant_session(tenant_id) as session:
            has_more = doubt_lost_claims(session, channel_id) == AT_ONCE
            if wait:
                return _put_off(session, channel_id, wait) == AT_ONCE or has_more
            doubts = _take(session, channel_id)
        if doubts:
            _read_and_settle(tenant_id, channel_id, doubts)
        return len(doubts) == LISTS or has_more


def has_due(tenant_id: UUID, channel_id: UUID) -> bool:
    """Whether the time of a claim or of a doubt of this channel is up."""
    with db.tenant_session(tenant_id) as session:
        return repository.has_over(session, channel_id)


def _enter(stack: ExitStack, state: lists.ListState) -> bool:
    """Take room to read lists of a channel, until the stack is closed; False while there is none.

    Channels in trouble have less of it: however many there are, the others find room.
    """
    for room in (_room_in_trouble, _room) if state.failures else (_room,):
        if not room.acquire(blocking=False):
            return False
        stack.callback(room.release)
    return True


def doubt_lost_claims(session: Session, channel_id: UUID) -> int:
    """Claims whose lease ran out become uncertain; nothing stays `sending` for ever."""
    lost = repository.overdue(session, channel_id, Status.SENDING, AT_ONCE)
    for message, attempt, _ in lost:
        attempt.outcome = AttemptOutcome.UNCERTAIN
        attempt.finished_at = func.now()
        attempt.error = fates.WORKER_LOST.to_json()
        lifecycle.doubt(session, message, fates.WORKER_LOST)
    return len(lost)


def _put_off(session: Session, channel_id: UUID, seconds: float) -> int:
    """No list can be read now: doubts wait so long, and those that waited too long end."""
    rows = repository.overdue(session, channel_id, Status.UNCERTAIN, AT_ONCE)
    for message, attempt, now in rows:
        end = _end_of(attempt)
        if end <= now:
            fates.give_up(session, message, fates.UNREADABLE)
        else:
            message.lease_until = min(now + timedelta(seconds=seconds), end)
    return len(rows)


def _end_of(attempt: Attempt) -> datetime:
    """When a message whose last attempt this is has been uncertain for long enough."""
    since = attempt.finished_at or attempt.created_at
    return since + timedelta(seconds=config.current().uncertain_max_seconds)


def _read_and_settle(tenant_id: UUID, channel_id: UUID, doubts: Sequence[Doubt]) -> None:
    """Read the provider's list for some doubts, and decide on them."""
    listed = _read_lists(tenant_id, channel_id, doubts)
    for doubt, found in zip(doubts, listed, strict=True):
        with db.tenant_session(tenant_id) as session:
            settle(session, doubt, found)
    if Unread.UNREADABLE in listed:
        lists.failed(channel_id)
    else:
        lists.worked(channel_id)


def _take(session: Session, channel_id: UUID) -> list[Doubt]:
    """Some due doubts; their next look is put off while we ask."""
    pause = timedelta(seconds=config.current().settle_again_seconds)
    doubts = []
    due = repository.overdue(session, channel_id, Status.UNCERTAIN, LISTS)
    for message, attempt, now in due:
        message.lease_until = now + pause
        doubts.append(
            Doubt(
                message_id=message.id,
                attempt=attempt.number,
                from_number=message.from_number,
                to_number=message.to_number,
                is_test=message.is_test,
                is_overdue=_end_of(attempt) <= now,
            )
        )
    return doubts


def _read_lists(tenant_id: UUID, channel_id: UUID, doubts: Sequence[Doubt]) -> list[Listed]:
    """What the provider lists for each doubt: a conversation has one at most."""
    first, *others = doubts
    try:
        connection = channels.reader_for(tenant_id, channel_id)
    except (channels.ChannelGone, CannotOpen):
        return [Unread.UNREADABLE] * len(doubts)
    listed = _read(connection, first)
    if listed is Unread.UNREADABLE or not others:
        return [listed] * len(doubts)
    with ThreadPoolExecutor(len(others), thread_name_prefix="list") as pool:
        return [listed, *pool.map(partial(_read, connection), others)]


def _read(connection: channels.Connection, doubt: Doubt) -> Listed:
    """Runs in a thread, with no transaction open. Never raises."""
    if doubt.is_test:
        # No provider ever hears of it.
        return ()
    if not connection.capabilities.lists_sent:
        return Unread.NO_LIST
    try:
        return connection.client.sent_messages(stored_address(doubt.to_number), doubt.from_number)
    except ProviderUnavailable:
        return Unread.UNREADABLE
    except Exception:
        # A defect in an adapter must not keep its messages uncertain for ever.
        log.exception("reading_broke", message_id=str(doubt.message_id))
        return Unread.UNREADABLE


def settle(session: Session, doubt: Doubt, listed: Listed) -> None:
    """Apply one reading of the provider's list, unless something settled the message meanwhile."""
    message = messages.lock(session, doubt.message_id)
    if message is None or message.status != Status.UNCERTAIN or message.attempts != doubt.attempt:
        return
    if listed is Unread.NO_LIST:
        fates.give_up(session, message, fates.NO_LIST)
    elif listed is Unread.UNREADABLE:
        if doubt.is_overdue:
            fates.give_up(session, message, fates.UNREADABLE)
    else:
        fates.compare(session, message, listed)
