from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import (
    Integer,
    Interval,
    Row,
    Text,
    Uuid,
    and_,
    bindparam,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from app.common.ids import new_id
from app.events import catalogue
from app.events.catalogue import EventType
from app.models import (
    Attempt,
    AttemptOutcome,
    Channel,
    ChannelStatus,
    Direction,
    Message,
    Sender,
    Status,
)


def get(session: Session, tenant_id: UUID, message_id: UUID) -> Message | None:
    return session.get(Message, (tenant_id, message_id))


_MAY_LEAVE = and_(
    Channel.status == ChannelStatus.ACTIVE,
    or_(
        Channel.paused_until.is_(None),
        Channel.paused_until <= func.now() + bindparam("within", type_=Interval()),
    ),
    # `greatest` ignores nulls.
    func.greatest(Message.due_at, Message.retry_at)
    <= func.now() + bindparam("within", type_=Interval()),
)
"""Whether a queued message can be sent within that time: it is due by then, and its channel can
send.

This is the only place that decides whether waiting makes sense.
"""

_WATCHED = (
    select(Message, or_(Message.status != Status.QUEUED, _MAY_LEAVE).label("may_move"))
    .join(
        Channel,
        and_(Channel.tenant_id == Message.tenant_id, Channel.id == Message.channel_id),
    )
    .where(Message.id == bindparam("message_id"))
)


def watched(session: Session, message_id: UUID, within: timedelta) -> Row[Message, bool] | None:
    """Return the `Message`, and whether it `may_move` within that time."""
    given = {"message_id": message_id, "within": within}
    return session.execute(_WATCHED, given).one_or_none()


def lock(session: Session, tenant_id: UUID, message_id: UUID) -> Message | None:
    """Return the current row, locked until the transaction ends."""
    return session.get(
        Message, (tenant_id, message_id), with_for_update=True, populate_existing=True
    )


def lock_automatic(session: Session, conversation_id: UUID) -> Sequence[Message]:
    """Lock and return the automatic messages of a conversation that may still be sent."""
    query = (
        select(Message)
        .where(
            Message.conversation_id == conversation_id,
            Message.sender == Sender.BOT,
            Message.status.in_([Status.QUEUED, Status.SENDING, Status.UNCERTAIN]),
        )
        .order_by(Message.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).all()


def by_provider_id(
    session: Session, channel_id: UUID, provider_message_id: str, *, lock: bool
) -> Message | None:
    query = select(Message).where(
        Message.channel_id == channel_id, Message.provider_message_id == provider_message_id
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalars(query).one_or_none()


def by_attempt(session: Session, channel_id: UUID, provider_message_id: str) -> UUID | None:
    """Return the message one of whose attempts got this id: a second delivery that we learned
    of."""
    return session.scalars(
        select(Attempt.message_id)
        .join(
            Message,
            (Message.tenant_id == Attempt.tenant_id) & (Message.id == Attempt.message_id),
        )
        .where(
            Attempt.provider_message_id == provider_message_id,
            Message.channel_id == channel_id,
        )
    ).first()


def attempts_of(session: Session, message_id: UUID) -> Sequence[Attempt]:
    query = select(Attempt).where(Attempt.message_id == message_id).order_by(Attempt.number)
    return session.scalars(query).all()


def attempt(session: Session, message_id: UUID, number: int) -> Attempt | None:
    query = select(Attempt).where(Attempt.message_id == message_id, Attempt.number == number)
    return session.scalars(query).one_or_none()


def attempt_with_id(session: Session, message_id: UUID, provider_message_id: str) -> Attempt | None:
    query = select(Attempt).where(
        Attempt.message_id == message_id, Attempt.provider_message_id == provider_message_id
    )
    return session.scalars(query).first()


def count_throttled(session: Session, message_id: UUID) -> int:
    """Return how many attempts the provider accepted and then did not deliver because of the
    pace."""
    query = (
        select(func.count())
        .select_from(Attempt)
        .where(
            Attempt.message_id == message_id,
            Attempt.outcome == AttemptOutcome.RETRY,
            Attempt.provider_message_id.is_not(None),
        )
    )
    return session.scalar(query) or 0


LET_GO = """
        update recado.messages m set is_held = false
        from moved cross join lateral (
            select h.id from recado.messages h
            where h.tenant_id = moved.tenant_id and h.conversation_id = moved.conversation_id
                and h.status in ('queued', 'sending', 'uncertain')
                and h.status = 'queued' and h.is_held
            order by h.priority, h.due_at, h.id limit 1
        ) as held
        where moved.let_go and m.tenant_id = moved.tenant_id and m.id = held.id
        returning m.id
    """
"""Releases the first message held behind each row of `moved` that has `let_go`. To be used in a
statement that also moves those rows."""

_ACCEPT = text(f"""
    with given as (
        select * from unnest(:message_ids, :attempts, :provider_ids, :event_ids, :events)
            as given (message_id, attempt, provider_message_id, event_id, event)
    ), tried as (
        update recado.attempts a
        set outcome = :outcome, provider_message_id = g.provider_message_id, finished_at = now()
        from given g where a.message_id = g.message_id and a.number = g.attempt
    ), moved as (
        update recado.messages m
        set status = :status, provider_message_id = g.provider_message_id,
            lease_until = null, retry_at = null, error = null, updated_at = now()
        from given g where m.id = g.message_id
        returning m.tenant_id, m.id, m.conversation_id, true as let_go
    ), freed as ({LET_GO}), told as (
        insert into recado.events (tenant_id, id, type, version, conversation_id, message_id, data)
        select m.tenant_id, g.event_id, :event_type, :event_version, m.conversation_id, m.id,
            g.event
        from moved m join given g on g.message_id = m.id
    )
    select count(*) from freed
""").bindparams(  # noqa: S608 (our own SQL)
    bindparam("message_ids", type_=ARRAY(Uuid())),
    bindparam("attempts", type_=ARRAY(Integer())),
    bindparam("provider_ids", type_=ARRAY(Text())),
    bindparam("event_ids", type_=ARRAY(Uuid())),
    bindparam("events", type_=ARRAY(JSONB())),
    status=Status.ACCEPTED,
    outcome=AttemptOutcome.ACCEPTED,
    event_type=EventType.MESSAGE_ACCEPTED,
    event_version=catalogue.version_of(EventType.MESSAGE_ACCEPTED),
)


def accept(session: Session, accepted: Sequence[tuple[UUID, int, str]]) -> int:
    """Record that the provider accepted each (message, attempt's number, provider's id). Return how
    many held messages were released."""
    message_ids, attempts, provider_ids = map(list, zip(*accepted, strict=True))
    told = [
        catalogue.message_payload(message_id, provider_id, Status.ACCEPTED, Direction.OUTGOING)
        for message_id, _, provider_id in accepted
    ]
    freed: int = session.execute(
        _ACCEPT,
        {
            "message_ids": message_ids,
            "attempts": attempts,
            "provider_ids": provider_ids,
            "event_ids": [new_id() for _ in accepted],
            "events": told,
        },
    ).scalar_one()
    return freed


_FREE_NEXT = text("""
    update recado.messages m set is_held = false where m.id = (
        select h.id from recado.messages h
        where h.conversation_id = :conversation_id
            and h.status in ('queued', 'sending', 'uncertain') and h.status = 'queued' and h.is_held
        order by h.priority, h.due_at, h.id limit 1
    )
""")


def free_next(session: Session, conversation_id: UUID) -> None:
    """Release the first held message of a conversation.

    The caller holds the row of the message before it, and has just ended that one.
    """
    session.flush()
    session.execute(_FREE_NEXT, {"conversation_id": conversation_id})


_CLAIM = text("""
    with claimed as (
        update recado.messages m
        set status = :status, attempts = m.attempts + 1, retry_at = null,
            lease_until = now() + :lease, updated_at = now()
        from unnest(:ids, :attempt_ids) as g (id, attempt_id) where m.id = g.id
        returning m.tenant_id, m.id, m.attempts, g.attempt_id
    )
    insert into recado.attempts (tenant_id, id, message_id, number, outcome)
    select tenant_id, attempt_id, id, attempts, :outcome from claimed
""").bindparams(
    bindparam("ids", type_=ARRAY(Uuid())),
    bindparam("attempt_ids", type_=ARRAY(Uuid())),
    bindparam("lease", type_=Interval()),
    status=Status.SENDING,
    outcome=AttemptOutcome.STARTED,
)


def claim(session: Session, ids: Sequence[UUID], lease: timedelta) -> None:
    """Put these queued messages in flight under a lease, each with a new attempt."""
    given = {"ids": list(ids), "attempt_ids": [new_id() for _ in ids], "lease": lease}
    session.execute(_CLAIM, given)
