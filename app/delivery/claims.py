"""Claiming due messages of one channel: one short transaction to look, one to take."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Row, func
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import db
from app.channels.providers.base import ProviderError
from app.common import clock
from app.conversations.window import Window, window_of
from app.delivery import repository
from app.messages import content as contents
from app.messages import lifecycle
from app.messages.content import Content
from app.messages.errors import OutsideWindow
from app.models import Conversation, Message

EXPIRED = ProviderError(
    code="expired",
    cause="The message was not sent before its valid_until.",
    remedy="Send it again with a later valid_until, if it still matters.",
)

WINDOW_CLOSED = ProviderError(
    code=OutsideWindow.code,
    cause="More than 24 hours have passed since this person last wrote.",
    remedy="Send an approved template: content_sid with content_variables.",
    closes_window=False,
)


@dataclass(frozen=True)
class Claim:
    """A message that is ours to send. `claimed_at` is this process's monotonic clock."""

    message_id: UUID
    attempt: int
    from_number: str
    to_number: str
    content: Content
    is_test: bool
    claimed_at: float


@dataclass(frozen=True)
class Plan:
    """What the pace allows: seconds until each message goes, seconds that others must wait."""

    delays: Mapping[UUID, float]
    waits: Mapping[UUID, float]


def due(tenant_id: UUID, channel_id: UUID, room: int) -> Sequence[Row[tuple[UUID, UUID]]]:
    """Up to `room` rows (id, conversation_id) that may be claimed now."""
    with db.tenant_session(tenant_id) as session:
        return repository.due(session, channel_id, room)


def take(tenant_id: UUID, plan: Plan) -> list[Claim]:
    """Claim what the plan lets go; what it holds back gets its time, which costs no attempt.

    Answers only what is really ours: another drain may have been first.
    """
    try:
        with db.tenant_session(tenant_id) as session:
            started = time.monotonic()
            leaving = []
            for message, conversation in repository.lock_queued(
                session, [*plan.delays, *plan.waits]
            ):
                if message.id in plan.waits:
                    message.retry_at = func.now() + timedelta(seconds=plan.waits[message.id])
                elif _may_leave(session, message, conversation):
                    leaving.append(message)
            return _claim(session, leaving, started)
    except IntegrityError:
        # Another drain has just put a message of the same conversation in flight.
        return []


def _may_leave(session: Session, message: Message, conversation: Conversation) -> bool:
    """Look once more at what may have changed while it was queued."""
    now = clock.now()
    if message.valid_until is not None and now >= message.valid_until:
        lifecycle.refuse(session, message, EXPIRED)
        return False
    if not contents.needs_window(message.content) or message.is_test:
        return True
    if window_of(conversation, now) is not Window.CLOSED:
        return True
    if message.fallback is None:
        lifecycle.refuse(session, message, WINDOW_CLOSED)
        return False
    use_fallback(message)
    return True


def use_fallback(message: Message) -> None:
    """From now on the message is the template that was given for a shut window."""
    if message.fallback is None:
        raise AssertionError("only a message with a fallback falls back")
    message.content = message.fallback
    message.type, message.body = message.fallback["type"], message.fallback["body"]
    message.fallback = None


def _claim(session: Session, messages: Sequence[Message], started: float) -> list[Claim]:
    """Put them in flight by one statement, and write the attempt of each by another."""
    if not messages:
        return []
    lifecycle.claim_group(session, messages)
    repository.start_attempts(session, [(each.id, each.attempts + 1) for each in messages])
    return [
        Claim(
            message_id=each.id,
            attempt=each.attempts + 1,
            from_number=each.from_number,
            to_number=each.to_number,
            content=each.content,
            is_test=each.is_test,
            claimed_at=started,
        )
        for each in messages
    ]
