from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Interval,
    Row,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from app.common.ids import new_id
from app.common.pagination import Page, PageRequest, fetch_page
from app.common.phone import Address
from app.conversations import service as conversations
from app.events import service as events
from app.models import (
    Attempt,
    AttemptOutcome,
    Channel,
    ChannelStatus,
    ContactAlias,
    Conversation,
    Direction,
    Event,
    Message,
    Status,
    Tenant,
)


@dataclass(frozen=True)
class MessageFilter:
    """What `GET /api/messages` may ask for; None asks for nothing."""

    conversation_id: UUID | None = None
    direction: str | None = None
    status: str | None = None
    phone: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None


def get(session: Session, tenant_id: UUID, message_id: UUID) -> Message | None:
    return session.get(Message, (tenant_id, message_id))


def lock(session: Session, tenant_id: UUID, message_id: UUID) -> Message | None:
    """The row as it is now, held until the transaction ends."""
    return session.get(
        Message, (tenant_id, message_id), with_for_update=True, populate_existing=True
    )


def lock_by_provider_id(
    session: Session, channel_id: UUID, provider_message_id: str
) -> Message | None:
    return session.scalars(
        select(Message)
        .where(
            Message.channel_id == channel_id,
            Message.provider_message_id == provider_message_id,
        )
        .with_for_update()
    ).one_or_none()


def by_attempt(session: Session, channel_id: UUID, provider_message_id: str) -> UUID | None:
    """The message one of whose attempts got this id: a second delivery that we learned of."""
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


def list_page(session: Session, wanted: MessageFilter, page: PageRequest) -> Page[Message]:
    """Newest first."""
    return fetch_page(session, _filtered(wanted), (Message.id,), page)


def history_page(session: Session, conversation_id: UUID, page: PageRequest) -> Page[Message]:
    """Oldest first."""
    query = select(Message).where(Message.conversation_id == conversation_id)
    return fetch_page(session, query, (Message.id,), page, descending=False)


def _filtered(wanted: MessageFilter) -> Select[Message]:
    query = select(Message)
    exact: dict[Any, Any] = {
        Message.conversation_id: wanted.conversation_id,
        Message.direction: wanted.direction,
        Message.status: wanted.status,
    }
    for column, value in exact.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.phone is not None:
        query = query.where(
            (Message.from_number == wanted.phone) | (Message.to_number == wanted.phone)
        )
    if wanted.since is not None:
        query = query.where(Message.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Message.created_at < wanted.until)
    if wanted.q is not None:
        query = query.where(Message.body.icontains(wanted.q, autoescape=True))
    return query


def events_of(session: Session, message_id: UUID) -> Sequence[Event]:
    query = select(Event).where(Event.message_id == message_id).order_by(Event.id)
    return session.scalars(query).all()


def attempts_of(session: Session, message_id: UUID) -> Sequence[Attempt]:
    query = select(Attempt).where(Attempt.message_id == message_id).order_by(Attempt.number)
    return session.scalars(query).all()


def count_outgoing_since(session: Session, floor: UUID) -> int:
    """Outgoing messages whose id, which ascends in time, is `floor` or later."""
    query = (
        select(func.count())
        .select_from(Message)
        .where(Message.id >= floor, Message.direction == Direction.OUTGOING)
    )
    return session.scalar(query) or 0


def attempt(session: Session, message_id: UUID, number: int) -> Attempt | None:
    query = select(Attempt).where(Attempt.message_id == message_id, Attempt.number == number)
    return session.scalars(query).one_or_none()


_ACCEPT = text("""
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
        returning m.tenant_id, m.id, m.conversation_id
    )
    insert into recado.events (tenant_id, id, type, conversation_id, message_id, data)
    select m.tenant_id, g.event_id, 'message.accepted', m.conversation_id, m.id, g.event
    from moved m join given g on g.message_id = m.id
""").bindparams(
    bindparam("message_ids", type_=ARRAY(Uuid())),
    bindparam("attempts", type_=ARRAY(Integer())),
    bindparam("provider_ids", type_=ARRAY(Text())),
    bindparam("event_ids", type_=ARRAY(Uuid())),
    bindparam("events", type_=ARRAY(JSONB())),
    status=Status.ACCEPTED,
    outcome=AttemptOutcome.ACCEPTED,
)


def accept(session: Session, accepted: Sequence[tuple[UUID, int, str]]) -> None:
    """Of each (message, attempt's number, provider's id): the provider has it."""
    message_ids, attempts, provider_ids = map(list, zip(*accepted, strict=True))
    told = [
        events.message_data(
            Message(
                id=message_id,
                provider_message_id=provider_id,
                status=Status.ACCEPTED,
                direction=Direction.OUTGOING,
            )
        )
        for message_id, _, provider_id in accepted
    ]
    session.execute(
        _ACCEPT,
        {
            "message_ids": message_ids,
            "attempts": attempts,
            "provider_ids": provider_ids,
            "event_ids": [new_id() for _ in accepted],
            "events": told,
        },
    )


_CLAIM = (
    update(Message)
    .where(Message.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
    .values(
        status=Status.SENDING,
        attempts=Message.attempts + 1,
        retry_at=None,
        lease_until=func.now() + bindparam("lease", type_=Interval()),
    )
    .execution_options(synchronize_session=False)
)


def claim(session: Session, ids: Sequence[UUID], lease: timedelta) -> None:
    """Put these queued messages in flight under a lease, with one attempt more each."""
    session.execute(_CLAIM, {"ids": list(ids), "lease": lease})


def daily_quota(session: Session) -> tuple[int | None, str]:
    """The tenant's limit of messages a day, if it has one, and its time zone."""
    row = session.execute(select(Tenant.daily_message_quota, Tenant.timezone)).one()
    return row.daily_message_quota, row.timezone


def lock_tenant(session: Session) -> None:
    """One sender at a time, where they must be counted."""
    session.execute(select(Tenant.tenant_id).with_for_update(key_share=True))


def _route_query(is_sender: ColumnElement[bool]) -> Any:
    return (
        select(
            Tenant.daily_message_quota,
            Tenant.timezone,
            Channel,
            ContactAlias.contact_id,
            Conversation,
        )
        .select_from(Tenant)
        .outerjoin(Channel, and_(Channel.tenant_id == Tenant.tenant_id, is_sender))
        .outerjoin(
            ContactAlias,
            and_(
                ContactAlias.tenant_id == Tenant.tenant_id,
                ContactAlias.kind == bindparam("kind"),
                ContactAlias.value == bindparam("address"),
            ),
        )
        .outerjoin(
            Conversation,
            and_(
                Conversation.tenant_id == Tenant.tenant_id,
                Conversation.channel_id == Channel.id,
                Conversation.contact_id == ContactAlias.contact_id,
            ),
        )
        # Of several channels with one number, the active one.
        .order_by((Channel.status == ChannelStatus.ACTIVE).desc(), Channel.created_at)
        .limit(1)
    )


_ROUTE_FROM_DEFAULT = _route_query(Channel.is_default.is_(True))
_ROUTE_FROM_NUMBER = _route_query(Channel.phone_number == bindparam("number"))


def find_route(session: Session, number: str | None, to: Address) -> Row[Any]:
    """Everything that a send asks of the database, at once.

    `daily_message_quota`, `timezone`, and what is known of `Channel` (that of `number`, or the
    default), `contact_id` and `Conversation`.
    """
    given = {"kind": to.kind, "address": to.value}
    if number is None:
        return session.execute(_ROUTE_FROM_DEFAULT, given).one()
    return session.execute(_ROUTE_FROM_NUMBER, {**given, "number": number}).one()


_AS_ORDERED = (
    "tenant_id",
    "channel_id",
    "conversation_id",
    "contact_id",
    "direction",
    "status",
    "sender",
    "from_number",
    "to_number",
    "type",
    "body",
    "content",
    "fallback",
    "policy",
    "priority",
    "is_test",
    "due_at",
    "valid_until",
)
_QUEUED = insert(Message.__table__).values(  # type: ignore[arg-type]  # declared as FromClause
    {
        **{name: bindparam(f"given_{name}") for name in _AS_ORDERED},
        "id": bindparam("given_message_id"),
        "due_at": func.coalesce(bindparam("given_due_at"), func.now()),
        "fallback": bindparam("given_fallback", type_=JSONB(none_as_null=True)),
        # Defaults of the columns do not reach into a WITH.
        "attempts": 0,
        "settle_reads": 0,
    }
)
# A parameter that has a column's name would also be written to that column by the UPDATE.
_INSERT_QUEUED = events.RECORD.add_cte(
    _QUEUED.cte("queued"), conversations.COUNT_OUTGOING.cte("counted")
)


def insert_queued(session: Session, message: Message) -> None:
    """Write a new message, its event and its conversation's count by one statement.

    Of the busiest write of the service a round trip to the database is the dearest part.
    """
    session.flush()
    session.execute(
        _INSERT_QUEUED,
        {
            **{f"given_{name}": getattr(message, name) for name in _AS_ORDERED},
            "given_message_id": message.id,
            "given_event_id": new_id(),
            "given_event_type": "message.queued",
            "given_event_data": events.message_data(message),
        },
    )
