from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import Row, Uuid, and_, any_, bindparam, func, insert, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

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


def due(session: Session, channel_id: UUID, room: int) -> Sequence[Row[tuple[UUID, UUID]]]:
    """Up to `room` rows (id, conversation_id) of a channel that may be claimed now."""
    return session.execute(DUE, {"channel_id": channel_id, "room": room}).all()


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


def lock_queued(session: Session, ids: Sequence[UUID]) -> Sequence[Row[Message, Conversation]]:
    """Those of these messages that are still queued and that nobody else holds."""
    return session.execute(_QUEUED, {"ids": list(ids)}).all()


def start_attempts(session: Session, attempts: Sequence[tuple[UUID, int]]) -> None:
    """Write (message, number) for each call that is about to be made."""
    rows = [{"message_id": message_id, "number": number} for message_id, number in attempts]
    session.execute(insert(Attempt), rows)


Standing = Mapping[UUID, Row[UUID, str, int, str | None]]
"""Message → (id, status, attempts, provider_message_id)."""

_STANDING = (
    select(Message.id, Message.status, Message.attempts, Message.provider_message_id)
    .where(Message.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
    # In one order, so that two groups cannot wait for each other.
    .order_by(Message.id)
    .with_for_update()
)


def lock_standing(session: Session, ids: Sequence[UUID]) -> Standing:
    """Where these messages are in their lives, held until the transaction ends."""
    return {row.id: row for row in session.execute(_STANDING, {"ids": list(ids)})}


def bound_ids(session: Session, channel_id: UUID, provider_ids: Sequence[str]) -> set[str]:
    """Which of these ids belong to a message or to an attempt of ours already."""
    on_messages = select(Message.provider_message_id).where(
        Message.channel_id == channel_id, Message.provider_message_id.in_(provider_ids)
    )
    on_attempts = select(Attempt.provider_message_id).where(
        Attempt.provider_message_id.in_(provider_ids)
    )
    return {found for found in session.scalars(on_messages.union(on_attempts)) if found}


def lost_claims(session: Session, channel_id: UUID, most: int) -> Sequence[Message]:
    """Messages in flight whose lease ran out, locked, the oldest first."""
    query = (
        select(Message)
        .where(
            Message.channel_id == channel_id,
            Message.status == Status.SENDING,
            Message.lease_until < func.now(),
        )
        .order_by(Message.id)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(query).all()


def due_doubts(session: Session, channel_id: UUID, most: int) -> Sequence[Row[Message, Attempt]]:
    """Uncertain messages whose wait is over, locked, oldest first, each with its last attempt."""
    query = (
        select(Message, Attempt)
        .join(
            Attempt,
            (Attempt.tenant_id == Message.tenant_id)
            & (Attempt.message_id == Message.id)
            & (Attempt.number == Message.attempts),
        )
        .where(
            Message.channel_id == channel_id,
            Message.status == Status.UNCERTAIN,
            Message.lease_until < func.now(),
        )
        .order_by(Message.id)
        .limit(most)
        .with_for_update(of=Message, skip_locked=True)
    )
    return session.execute(query).all()
