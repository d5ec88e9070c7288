from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Float,
    Row,
    Uuid,
    and_,
    any_,
    bindparam,
    exists,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from app import db
from app.models import (
    Attempt,
    AttemptOutcome,
    Channel,
    ChannelStatus,
    Conversation,
    Message,
    Status,
    Tenant,
    TenantStatus,
)

DUE = text("""
    select m.id, m.conversation_id, m.is_blocked,
        c.messages_per_second, c.updated_at, c.trouble is not null as is_troubled
    from recado.channels c
    join recado.tenants t on t.tenant_id = c.tenant_id
    cross join lateral (
        select m.id, m.conversation_id, m.priority, m.due_at,
            exists (
                select from (
                    select from recado.messages o
                    where o.tenant_id = c.tenant_id and o.conversation_id = m.conversation_id
                        and o.status in ('sending', 'uncertain')
                    offset 0
                ) as in_flight
            ) or exists (
                select from (
                    select from recado.messages o
                    where o.tenant_id = c.tenant_id and o.conversation_id = m.conversation_id
                        and o.status in ('queued', 'sending', 'uncertain')
                        and (o.priority, o.due_at, o.id) < (m.priority, m.due_at, m.id)
                        and o.status = 'queued' and not o.is_held and o.due_at <= now()
                    order by o.priority, o.due_at, o.id limit 1
                ) as earlier
            ) as is_blocked
        from recado.messages m
        where m.tenant_id = c.tenant_id and m.channel_id = c.id
            and m.status = 'queued' and not m.is_held and m.priority <= :lowest_priority
            and m.due_at <= now() and (m.retry_at is null or m.retry_at <= now())
        order by m.priority, m.due_at, m.id
        limit :most
    ) as m
    where c.id = :channel_id and c.status = 'active' and t.status = 'active'
        and (c.paused_until is null or c.paused_until <= now())
    order by m.priority, m.due_at, m.id
""")
"""The first due messages of a channel that can send: replies, then notices, then bulk; each the
oldest first.

A message is blocked while another one of its conversation is in flight or goes before it. So the
order within a conversation holds, also while its first message waits for a retry. A held message
blocks nothing, even if it is more urgent: it waits for the end of what is in flight.

`offset 0` and `limit 1` make Postgres read one conversation at a time, whatever the statistics say:
a campaign that was just queued is in no statistics yet, and joining all of it would take seconds.
"""

_DUE_IN_INDEX_ORDER = text(f"{db.IN_INDEX_ORDER}; {DUE.text}")


def due(session: Session, channel_id: UUID, lowest_priority: int, most: int) -> Sequence[Row[Any]]:
    """Return up to `most` rows of DUE; none while the channel cannot send."""
    given = {"channel_id": channel_id, "lowest_priority": lowest_priority, "most": most}
    return session.execute(_DUE_IN_INDEX_ORDER, given).all()


_HOLD = text("""
    with before as (
        select o.conversation_id, o.status, o.priority, o.due_at, o.id from recado.messages o
        where o.conversation_id = any(:conversation_ids)
            and o.status in ('queued', 'sending', 'uncertain') and not o.is_held
        order by o.id for no key update skip locked
    ), behind as (
        select m.id from recado.messages m
        where m.id = any(:ids) and m.status = 'queued' and exists (
            select from before b where b.conversation_id = m.conversation_id and (
                b.status <> 'queued' or (b.priority, b.due_at, b.id) < (m.priority, m.due_at, m.id)
            )
        )
        order by m.id for no key update skip locked
    )
    update recado.messages m set is_held = true from behind where m.id = behind.id
""").bindparams(
    bindparam("ids", type_=ARRAY(Uuid())), bindparam("conversation_ids", type_=ARRAY(Uuid()))
)


def hold(session: Session, blocked: Sequence[Row[Any]]) -> None:
    """Hold blocked messages (id, conversation_id) back until the one before them ends.

    The messages before them are locked, so none can end unnoticed meanwhile: whatever ends one
    releases the next (`app/messages/lifecycle.py`).
    """
    session.execute(
        _HOLD,
        {
            "ids": [row.id for row in blocked],
            "conversation_ids": list({row.conversation_id for row in blocked}),
        },
    )


_QUEUED = (
    select(
        Message.id,
        Message.conversation_id,
        Message.status,
        Message.attempts,
        Message.from_number,
        Message.to_number,
        Message.content,
        Message.fallback,
        Message.is_test,
        Message.due_at,
        Message.valid_until,
        Conversation.last_inbound_at,
        Conversation.window_closed_at,
        Channel.provider,
    )
    .join(
        Conversation,
        and_(
            Conversation.tenant_id == Message.tenant_id,
            Conversation.id == Message.conversation_id,
        ),
    )
    .join(Channel, and_(Channel.tenant_id == Message.tenant_id, Channel.id == Message.channel_id))
    .join(Tenant, Tenant.tenant_id == Message.tenant_id)
    .where(
        Message.id == any_(bindparam("ids", type_=ARRAY(Uuid()))),
        Message.status == Status.QUEUED,
        Channel.status == ChannelStatus.ACTIVE,
        Tenant.status == TenantStatus.ACTIVE,
    )
    .with_for_update(of=Message, skip_locked=True, key_share=True)
)


class Queued(Protocol):
    """A queued message: what a claim needs to know of it, of its conversation's window, and of its
    channel."""

    id: UUID
    conversation_id: UUID
    status: str
    attempts: int
    from_number: str
    to_number: str
    content: dict[str, Any]
    fallback: dict[str, Any] | None
    is_test: bool
    due_at: datetime
    valid_until: datetime | None
    last_inbound_at: datetime | None
    window_closed_at: datetime | None
    provider: str


def lock_queued(session: Session, ids: Sequence[UUID]) -> Sequence[Queued]:
    """Lock those of these messages that are still queued, whose channel can send, and that nobody
    else has locked."""
    rows: Any = session.execute(_QUEUED, {"ids": list(ids)}).all()
    found: Sequence[Queued] = rows
    return found


_PUT_OFF = text("""
    update recado.messages m set retry_at = now() + make_interval(secs => g.seconds)
    from unnest(:ids, :seconds) as g (id, seconds) where m.id = g.id
""").bindparams(bindparam("ids", type_=ARRAY(Uuid())), bindparam("seconds", type_=ARRAY(Float())))


def put_off(session: Session, waits: Mapping[UUID, float]) -> None:
    """Postpone each of these messages by so many seconds. The caller holds their locks."""
    if waits:
        session.execute(_PUT_OFF, {"ids": list(waits), "seconds": list(waits.values())})


Standing = Mapping[UUID, Row[UUID, str, int, str | None]]
"""The state of each message, by its id: (id, status, attempts, provider_message_id)."""

_STANDING = (
    select(Message.id, Message.status, Message.attempts, Message.provider_message_id)
    .where(Message.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
    # In one order, so that two groups cannot deadlock.
    .order_by(Message.id)
    .with_for_update()
)


def lock_standing(session: Session, ids: Sequence[UUID]) -> Standing:
    """Lock these messages until the transaction ends; return their states."""
    return {row.id: row for row in session.execute(_STANDING, {"ids": list(ids)})}


def bound_ids(session: Session, channel_id: UUID, provider_ids: Sequence[str]) -> set[str]:
    """Return which of these provider ids belong to a message or an attempt of ours already."""
    on_messages = select(Message.provider_message_id).where(
        Message.channel_id == channel_id, Message.provider_message_id.in_(provider_ids)
    )
    on_attempts = select(Attempt.provider_message_id).where(
        Attempt.provider_message_id.in_(provider_ids)
    )
    return {found for found in session.scalars(on_messages.union(on_attempts)) if found}


_LAST_ATTEMPT = and_(
    Attempt.tenant_id == Message.tenant_id,
    Attempt.message_id == Message.id,
    Attempt.number == Message.attempts,
)


def overdue(
    session: Session, channel_id: UUID, status: Status, most: int
) -> Sequence[Row[Message, Attempt, datetime]]:
    """Lock messages in flight with this status whose time is over, the longest waiting first.

    `sending`: the lease of the claim has ended. `uncertain`: the next check is due. Each row has
    its last attempt and the database's time.
    """
    query = (
        select(Message, Attempt, func.now().label("now"))
        .join(Attempt, _LAST_ATTEMPT)
        .where(*_is_over(channel_id, status))
        .order_by(Message.lease_until)
        .limit(most)
        .with_for_update(of=Message, skip_locked=True)
    )
    return session.execute(query).all()


def count_attempts(session: Session, message_id: UUID, outcome: AttemptOutcome) -> int:
    """Return how many attempts of a message ended with this outcome."""
    query = select(func.count()).where(Attempt.message_id == message_id, Attempt.outcome == outcome)
    return session.scalar(query) or 0


def lock_expired(
    session: Session, channel_id: UUID, validity_hours: int, most: int
) -> Sequence[Message]:
    """Lock messages whose validity has ended: of each conversation the first."""
    longest = timedelta(hours=validity_hours)
    query = (
        select(Message)
        .where(
            Message.channel_id == channel_id,
            Message.status == Status.QUEUED,
            Message.is_held.is_(False),
            func.coalesce(Message.valid_until, Message.due_at + longest) < func.now(),
        )
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(query).all()


def has_over(session: Session, channel_id: UUID) -> bool:
    """Return whether a lease has ended or a check of an uncertain message is due."""
    in_flight = _is_over(channel_id, Status.SENDING, Status.UNCERTAIN)
    return bool(session.scalar(select(exists().where(*in_flight))))


def _is_over(channel_id: UUID, *statuses: Status) -> tuple[ColumnElement[bool], ...]:
    return (
        Message.channel_id == channel_id,
        Message.status.in_(statuses),
        Message.lease_until < func.now(),
    )


def ambiguous_ends(session: Session, message_id: UUID) -> tuple[int, datetime | None]:
    """Return how many attempts of a message ended without a clear answer, and when the first began.

    If all answers have become clear meanwhile, the time is that of the last attempt.
    """
    is_ambiguous = Attempt.outcome == AttemptOutcome.UNCERTAIN
    first = func.min(Attempt.created_at).filter(is_ambiguous)
    query = select(
        func.count().filter(is_ambiguous), func.coalesce(first, func.max(Attempt.created_at))
    ).where(Attempt.message_id == message_id)
    count, since = session.execute(query).one()
    return count, since
