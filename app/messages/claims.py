"""Claiming due messages of one channel: one short transaction to look, one to take."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Row, Uuid, and_, any_, bindparam, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app import config, db
from app.channels.providers.base import ProviderError
from app.common import clock
from app.conversations.window import Window, window_of
from app.events import service as events
from app.messages import content as contents
from app.messages.content import Content
from app.messages.errors import OutsideWindow
from app.messages.status import Step, transition
from app.metrics import service as metrics
from app.models import Attempt, Conversation, Message, Status

DUE = text("""
    select m.id, m.conversation_id from recado.messages m
    where m.channel_id = :channel_id and m.status = 'queued' and m.due_at <= now()
      and (m.retry_at is null or m.retry_at <= now())
      and not exists (
        select from (
            select o.status, o.priority, o.due_at, o.id from recado.messages o
            where o.conversation_id = m.conversation_id
              and o.status in ('queued', 'sending', 'uncertain')
            offset 0
        ) as o
        where o.status <> 'queued' or (
            o.due_at <= now() and (o.priority, o.due_at, o.id) < (m.priority, m.due_at, m.id)))
    order by m.priority, m.due_at, m.id
    limit :room
""")
"""The first of each conversation, unless another of it is in flight: so its order holds, also
while the first must wait for a retry. Replies before notices before bulk, then oldest first.
`offset 0` has Postgres look at one conversation at a time, whatever its statistics say: a campaign
that was just queued is in none yet, and joined as a whole it would take seconds."""

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
        return session.execute(DUE, {"channel_id": channel_id, "room": room}).all()


def take(tenant_id: UUID, plan: Plan) -> list[Claim]:
    """Claim what the plan lets go; what it holds back gets its time, which costs no attempt.

    Answers only what is really ours: another drain may have been first.
    """
    try:
        with db.tenant_session(tenant_id) as session:
            started = time.monotonic()
            leaving = []
            for message, conversation in _lock_queued(session, [*plan.delays, *plan.waits]):
                if message.id in plan.waits:
                    message.retry_at = func.now() + timedelta(seconds=plan.waits[message.id])
                elif _may_leave(session, message, conversation):
                    leaving.append(message)
            return _claim(session, leaving, started)
    except IntegrityError:
        # Another drain has just put a message of the same conversation in flight.
        return []


_QUEUED = (
    select(Message, Conversation)
    .join(
        Conversation,
        and_(
            Conversation.tenant_id == Message.tenant_id,
            Conversation.id == Message.conversation_id,
        ),
    )
    .where(
        Message.id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
        Message.status == Status.QUEUED,
    )
    .with_for_update(of=Message, skip_locked=True)
)


def _lock_queued(session: Session, ids: Sequence[UUID]) -> Sequence[Row[Message, Conversation]]:
    return session.execute(_QUEUED, {"ids": list(ids)}).all()


def _may_leave(session: Session, message: Message, conversation: Conversation) -> bool:
    """Look once more at what may have changed while it was queued."""
    now = clock.now()
    if message.valid_until is not None and now >= message.valid_until:
        fail(session, message, EXPIRED)
        return False
    if not contents.needs_window(message.content) or message.is_test:
        return True
    if window_of(conversation, now) is not Window.CLOSED:
        return True
    if message.fallback is None:
        fail(session, message, WINDOW_CLOSED)
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


def fail(session: Session, message: Message, error: ProviderError) -> None:
    """Refuse a message for good; no change when it is past that."""
    target = transition(Status(message.status), Step.REFUSE)
    if target is None:
        return
    message.status = target
    message.lease_until = None
    message.error = error.to_json()
    events.record_message(session, message, "failed", {"error": message.error})


def _claim(session: Session, messages: Sequence[Message], started: float) -> list[Claim]:
    """Put them in flight by one statement, and write the attempt of each by another."""
    if not messages:
        return []
    targets = {transition(Status(each.status), Step.CLAIM) for each in messages}
    if targets != {Status.SENDING}:
        raise AssertionError("only queued messages are claimed")
    lease = timedelta(seconds=config.current().claim_lease_seconds)
    session.execute(
        update(Message)
        .where(Message.id.in_([each.id for each in messages]))
        .values(
            status=Status.SENDING,
            attempts=Message.attempts + 1,
            retry_at=None,
            lease_until=func.now() + lease,
        )
        .execution_options(synchronize_session=False)
    )
    metrics.count_message(session, Status.SENDING, len(messages))
    attempts = [{"message_id": each.id, "number": each.attempts + 1} for each in messages]
    session.execute(insert(Attempt), attempts)
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
