"""Settles uncertain messages: by a receipt if one comes, otherwise by two readings of the
provider's list.

A worker that dies leaves its claim behind. When the lease ends, that message is uncertain as well,
because the call may have been made. A message that two readings do not find was not sent: it is
sent again (policy `default`), or ends `unknown` and the tenant is told (`at_most_once`).

Every uncertain message is settled in the end. The number of sends without a clear answer is
limited. A list that cannot be read is tried again after growing pauses until the message has been
uncertain for UNCERTAIN_MAX_SECONDS; then it ends `unknown`, and the conversation continues.
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
from app.delivery import lists, reconcile, repository
from app.messages import lifecycle
from app.messages import service as messages
from app.models import Attempt, AttemptOutcome, Status

log = structlog.get_logger(__name__)

SLICE_SECONDS = 10.0
"""After this time the thread serves other channels first."""

AT_ONCE = 100
"""Messages that one transaction handles."""

LISTS = 8
"""Uncertain messages of one channel in a step. If the first one's list can be read, the lists of
the others are read in parallel; otherwise they are skipped, so a list that hangs costs one timeout.
"""

MOST_READERS = 48
MOST_IN_TROUBLE = 16
"""Lists that this process reads at a time, and how many of them may be of channels whose last
reading failed. The other threads of its pool of 64 stay free for work that needs no list."""

NO_ROOM_SECONDS = 10.0
"""How long the messages of a channel wait when no more lists may be read at the moment."""


class Unread(StrEnum):
    """Why there is no list."""

    UNREADABLE = "unreadable"
    NO_LIST = "no_list"


Listed = Sequence[SentMessage] | Unread


@dataclass(frozen=True)
class UncertainMessage:
    """An uncertain message: what is needed to look it up at the provider.

    `is_overdue`: it has been uncertain for too long to wait for a list that cannot be read.
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
    """Handle some due claims and uncertain messages of a channel; return whether there may be more.

    No transaction is open while a list is read.
    """
    state = lists.state(channel_id)
    with ExitStack() as stack:
        wait = state.closed_for
        if not wait and not _enter(stack, state):
            wait = NO_ROOM_SECONDS
        with db.tenant_session(tenant_id) as session:
            has_more = mark_lost_claims(session, channel_id) == AT_ONCE
            if wait:
                return _put_off(session, channel_id, wait) == AT_ONCE or has_more
            uncertain = _take(session, channel_id)
        if uncertain:
            _read_and_settle(tenant_id, channel_id, uncertain)
        return len(uncertain) == LISTS or has_more


def has_due(tenant_id: UUID, channel_id: UUID) -> bool:
    """Return whether a claim or an uncertain message of this channel is due."""
    with db.tenant_session(tenant_id) as session:
        return repository.has_over(session, channel_id)


def _enter(stack: ExitStack, state: lists.ListState) -> bool:
    """Reserve room to read lists of a channel until the stack is closed; return False if there is
    none.

    Channels in trouble get a smaller share, so however many there are, the others find room.
    """
    for room in (_room_in_trouble, _room) if state.failures else (_room,):
        if not room.acquire(blocking=False):
            return False
        stack.callback(room.release)
    return True


def mark_lost_claims(session: Session, channel_id: UUID) -> int:
    """Mark claims whose lease ended as uncertain; no message stays `sending` forever."""
    lost = repository.overdue(session, channel_id, Status.SENDING, AT_ONCE)
    for message, attempt, _ in lost:
        attempt.outcome = AttemptOutcome.UNCERTAIN
        attempt.finished_at = func.now()
        attempt.error = reconcile.WORKER_LOST.to_json()
        lifecycle.mark_uncertain(session, message, reconcile.WORKER_LOST)
    return len(lost)


def _put_off(session: Session, channel_id: UUID, seconds: float) -> int:
    """Postpone the messages because no list can be read now, and end those that waited too long."""
    rows = repository.overdue(session, channel_id, Status.UNCERTAIN, AT_ONCE)
    for message, attempt, now in rows:
        end = _end_of(attempt)
        if end <= now:
            reconcile.give_up(session, message, reconcile.UNREADABLE)
        else:
            message.lease_until = min(now + timedelta(seconds=seconds), end)
    return len(rows)


def _end_of(attempt: Attempt) -> datetime:
    """Return when a message with this last attempt has been uncertain for too long."""
    since = attempt.finished_at or attempt.created_at
    return since + timedelta(seconds=config.current().uncertain_max_seconds)


def _read_and_settle(
    tenant_id: UUID, channel_id: UUID, uncertain: Sequence[UncertainMessage]
) -> None:
    """Read the provider's list for some messages, and settle them."""
    listed = _read_lists(tenant_id, channel_id, uncertain)
    for message, found in zip(uncertain, listed, strict=True):
        with db.tenant_session(tenant_id) as session:
            settle(session, message, found)
    if Unread.UNREADABLE in listed:
        lists.failed(channel_id)
    else:
        lists.worked(channel_id)


def _take(session: Session, channel_id: UUID) -> list[UncertainMessage]:
    """Lock some due messages and postpone their next check until we have read the list."""
    pause = timedelta(seconds=config.current().settle_again_seconds)
    uncertain = []
    due = repository.overdue(session, channel_id, Status.UNCERTAIN, LISTS)
    for message, attempt, now in due:
        message.lease_until = now + pause
        uncertain.append(
            UncertainMessage(
                message_id=message.id,
                attempt=attempt.number,
                from_number=message.from_number,
                to_number=message.to_number,
                is_test=message.is_test,
                is_overdue=_end_of(attempt) <= now,
            )
        )
    return uncertain


def _read_lists(
    tenant_id: UUID, channel_id: UUID, uncertain: Sequence[UncertainMessage]
) -> list[Listed]:
    """Return the provider's list for each message; a conversation has at most one uncertain
    message."""
    first, *others = uncertain
    try:
        connection = channels.reader_for(tenant_id, channel_id)
    except (channels.ChannelGone, CannotOpen):
        return [Unread.UNREADABLE] * len(uncertain)
    listed = _read(connection, first)
    if listed is Unread.UNREADABLE or not others:
        return [listed] * len(uncertain)
    with ThreadPoolExecutor(len(others), thread_name_prefix="list") as pool:
        return [listed, *pool.map(partial(_read, connection), others)]


def _read(connection: channels.Connection, message: UncertainMessage) -> Listed:
    """Read one list. Runs in a thread with no transaction open, and never raises."""
    if message.is_test:
        # A test message is never sent to a provider.
        return ()
    if not connection.capabilities.lists_sent:
        return Unread.NO_LIST
    try:
        return connection.client.sent_messages(
            stored_address(message.to_number), message.from_number
        )
    except ProviderUnavailable:
        return Unread.UNREADABLE
    except Exception:
        # A bug in an adapter must not keep messages uncertain forever.
        log.exception("reading_broke", message_id=str(message.message_id))
        return Unread.UNREADABLE


def settle(session: Session, taken: UncertainMessage, listed: Listed) -> None:
    """Apply one reading of the list, unless the message was settled meanwhile."""
    message = messages.lock(session, taken.message_id)
    if message is None or message.status != Status.UNCERTAIN or message.attempts != taken.attempt:
        return
    if listed is Unread.NO_LIST:
        reconcile.give_up(session, message, reconcile.NO_LIST)
    elif listed is Unread.UNREADABLE:
        if taken.is_overdue:
            reconcile.give_up(session, message, reconcile.UNREADABLE)
    else:
        reconcile.compare(session, message, listed)
