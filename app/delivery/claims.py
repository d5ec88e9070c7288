"""Claims due messages of one channel: one short transaction to read them, one to claim them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import config, db
from app.channels.providers.base import ProviderError
from app.channels.providers.registry import provider_of
from app.common import clock
from app.conversations.window import Window, window_of
from app.delivery import pacing, repository
from app.delivery.pacing import Plan
from app.delivery.repository import Queued
from app.messages import content as contents
from app.messages import lifecycle
from app.messages import service as messages
from app.messages.content import Content
from app.messages.errors import OutsideWindow
from app.models import Priority

SPARE_ROWS = 10
"""Extra rows to read, because some may be blocked."""

SHORTEST_PAUSE_SECONDS = 0.02

EXPIRED = ProviderError(
    code="expired",
    cause="The message was not sent before its valid_until.",
    remedy="Send it again with a later valid_until if it is still needed.",
)

WINDOW_CLOSED = ProviderError(
    code=OutsideWindow.code,
    cause="More than 24 hours have passed since this person last wrote.",
    remedy="Send an approved template: content_sid with content_variables.",
    closes_window=False,
)


@dataclass(frozen=True)
class Queue:
    """The messages that one drain sends: those of a channel with at least this priority."""

    tenant_id: UUID
    channel_id: UUID
    lowest_priority: Priority = Priority.BULK


@dataclass(frozen=True)
class Claim:
    """A message that this process may send. `claimed_at` is this process's monotonic clock.

    `is_trial`: the channel was paused, and this message tests whether it works again.
    """

    message_id: UUID
    conversation_id: UUID
    attempt: int
    from_number: str
    to_number: str
    content: Content
    is_test: bool
    claimed_at: float
    is_trial: bool


@dataclass(frozen=True)
class Claimed:
    """The result of one query for due messages: claims, each with the seconds to wait before
    sending.

    `look_again`: more is due already. `has_rest`: something else was due and was not claimed.
    `pause`: seconds before which another query cannot return more. `rate` and `updated_at` are
    those of the channel.
    """

    claims: Sequence[tuple[Claim, float]] = ()
    look_again: bool = False
    has_rest: bool = False
    pause: float = 0.0
    rate: int = 0
    updated_at: Any = None


NOTHING = Claimed()


def claim_due(queue: Queue, room: int, is_ours: Callable[[], bool], *, is_busy: bool) -> Claimed:
    """Claim up to `room` messages that the pace allows now.

    `is_ours` is called when something is due and returns whether this process may claim it. A
    channel in trouble gets one message as a trial, unless it is `is_busy` with others.
    """
    most = 2 * room + SPARE_ROWS
    rows = due(queue, most)
    if not rows or not is_ours():
        return NOTHING
    heads = [row for row in rows if not row.is_blocked]
    blocked = [row for row in rows if row.is_blocked]
    is_trial = rows[0].is_troubled
    if is_trial and is_busy:
        return NOTHING
    if is_trial:
        room = 1
    rate = rows[0].messages_per_second
    plan = pacing.plan(queue.channel_id, rate, heads[:room])
    taken = take(queue.tenant_id, plan, blocked, is_trial=is_trial)
    claims = [(claim, plan.delays[claim.message_id]) for claim in taken]
    # If no row of a full page could be claimed, query again for the rows after them.
    look_again = plan.is_short or (not claims and (bool(plan.delays) or len(rows) == most))
    pause = max(plan.next_slot, SHORTEST_PAUSE_SECONDS if look_again else 0.0)
    return Claimed(
        claims,
        look_again,
        has_rest=len(rows) > len(claims),
        pause=pause,
        rate=rate,
        updated_at=rows[0].updated_at,
    )


def due(queue: Queue, most: int) -> Sequence[Row[Any]]:
    """Return the first due rows of a queue; see repository.DUE."""
    with db.tenant_session(queue.tenant_id) as session:
        return repository.due(session, queue.channel_id, queue.lowest_priority, most)


def take(
    tenant_id: UUID, plan: Plan, blocked: Sequence[Row[Any]] = (), *, is_trial: bool = False
) -> list[Claim]:
    """Claim the messages that the plan lets go, postpone those that it makes wait (which costs no
    attempt), and hold those that are blocked.

    Returns only messages that were really claimed: another drain may have been first.
    """
    try:
        with db.tenant_session(tenant_id) as session:
            started = time.monotonic()
            queued = repository.lock_queued(session, [*plan.delays, *plan.waits])
            waits = {each.id: plan.waits[each.id] for each in queued if each.id in plan.waits}
            repository.put_off(session, waits)
            leaving = [
                (each, content)
                for each in queued
                if each.id not in waits and (content := _what_may_leave(session, each)) is not None
            ]
            if blocked:
                session.flush()
                repository.hold(session, blocked)
            return _claim(session, leaving, started, is_trial)
    except IntegrityError:
        # Another drain has just put a message of the same conversation in flight.
        return []


def _what_may_leave(session: Session, queued: Queued) -> Content | None:
    """Check again what may have changed while the message was queued. Return the content to send,
    or None when the message has failed."""
    now = clock.now()
    if now >= valid_until(queued):
        _fail(session, queued, EXPIRED)
        return None
    capabilities = provider_of(queued.provider).capabilities
    if not contents.needs_window(queued.content, capabilities) or queued.is_test:
        return queued.content
    if window_of(queued, now) is not Window.CLOSED:
        return queued.content
    if queued.fallback is None:
        _fail(session, queued, WINDOW_CLOSED)
        return None
    _use_fallback(session, queued, queued.fallback)
    return queued.fallback


def valid_until(queued: Queued) -> datetime:
    """Return when it is too late to send: by default MESSAGE_VALIDITY_HOURS after it was due."""
    longest = timedelta(hours=config.current().message_validity_hours)
    return queued.valid_until or queued.due_at + longest


def _fail(session: Session, queued: Queued, error: ProviderError) -> None:
    message = messages.lock(session, queued.id)
    if message is not None:
        lifecycle.refuse(session, message, error)


def _use_fallback(session: Session, queued: Queued, fallback: Content) -> None:
    """Replace the message's content with its fallback template, because the 24-hour window is
    closed."""
    message = messages.lock(session, queued.id)
    if message is not None:
        message.content, message.fallback = fallback, None
        message.type, message.body = fallback["type"], fallback["body"]


def _claim(
    session: Session, leaving: Sequence[tuple[Queued, Content]], started: float, is_trial: bool
) -> list[Claim]:
    """Put the messages in flight, each with a new attempt."""
    if not leaving:
        return []
    session.flush()
    lifecycle.claim_group(session, [each for each, _ in leaving])
    return [
        Claim(
            message_id=each.id,
            conversation_id=each.conversation_id,
            attempt=each.attempts + 1,
            from_number=each.from_number,
            to_number=each.to_number,
            content=content,
            is_test=each.is_test,
            claimed_at=started,
            is_trial=is_trial,
        )
        for each, content in leaving
    ]
