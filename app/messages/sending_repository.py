"""Queries of a send: few statements, built once."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Insert,
    Row,
    Update,
    and_,
    bindparam,
    func,
    insert,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased, load_only

from app.common.phone import Address
from app.models import (
    Channel,
    ChannelStatus,
    Contact,
    ContactAlias,
    Conversation,
    Message,
    Status,
    Tenant,
)

MOST_QUEUED = 1000
"""The most messages that may be queued for one conversation."""

_WAITING = aliased(Message)
_QUEUED_NOW = (
    select(func.count())
    .select_from(
        select(_WAITING.id)
        .where(
            _WAITING.tenant_id == Conversation.tenant_id,
            _WAITING.conversation_id == Conversation.id,
            # The same condition as the index ix_messages_waiting.
            _WAITING.status.in_([Status.QUEUED, Status.SENDING, Status.UNCERTAIN]),
            _WAITING.status == Status.QUEUED,
        )
        .limit(MOST_QUEUED)
        .correlate(Conversation)
        .subquery("waiting")
    )
    .scalar_subquery()
    .label("queued")
)


_LIMITS = (
    select(Tenant.daily_message_quota, Tenant.timezone, _QUEUED_NOW)
    .select_from(Tenant)
    .join(Conversation, Conversation.tenant_id == Tenant.tenant_id)
    .where(Conversation.id == bindparam("conversation_id"))
)


def limits(session: Session, conversation_id: UUID) -> Row[Any]:
    """Return the limits of a send in a conversation: `daily_message_quota`, `timezone`, `queued`.

    These are the tenant's daily quota (None: no limit) and time zone, and how many messages are
    queued in the conversation already (counted up to MOST_QUEUED).
    """
    return session.execute(_LIMITS, {"conversation_id": conversation_id}).one()


# In a LATERAL, because the nullable side of an outer join cannot be locked.
_PERSON = (
    select(Contact.id)
    .select_from(ContactAlias)
    .join(
        Contact,
        and_(Contact.tenant_id == ContactAlias.tenant_id, Contact.id == ContactAlias.contact_id),
    )
    .where(
        ContactAlias.tenant_id == Tenant.tenant_id,
        ContactAlias.kind == bindparam("kind"),
        ContactAlias.value == bindparam("address"),
    )
    .with_for_update(read=True, key_share=True, of=Contact)
    .lateral("person")
)


_NEEDED = (
    load_only(
        Channel.tenant_id,
        Channel.id,
        Channel.provider,
        Channel.phone_number,
        Channel.status,
        raiseload=True,
    ),
    load_only(
        Conversation.tenant_id,
        Conversation.id,
        Conversation.contact_id,
        Conversation.channel_id,
        Conversation.address,
        Conversation.owner,
        Conversation.last_inbound_at,
        Conversation.window_closed_at,
        raiseload=True,
    ),
)
"""The columns that a send needs. Each further column costs time."""


def _route_query(is_sender: ColumnElement[bool]) -> Any:
    return (
        select(
            Tenant.daily_message_quota,
            Tenant.timezone,
            _QUEUED_NOW,
            Channel,
            _PERSON.c.id.label("contact_id"),
            Conversation,
        )
        .select_from(Tenant)
        .outerjoin(Channel, and_(Channel.tenant_id == Tenant.tenant_id, is_sender))
        .outerjoin(_PERSON, true())
        .outerjoin(
            Conversation,
            and_(
                Conversation.tenant_id == Tenant.tenant_id,
                Conversation.channel_id == Channel.id,
                Conversation.contact_id == _PERSON.c.id,
                Conversation.is_test.is_(bindparam("is_test", type_=Boolean())),
            ),
        )
        .options(*_NEEDED)
        # If several channels have this number, prefer the active one.
        .order_by((Channel.status == ChannelStatus.ACTIVE).desc(), Channel.created_at)
        .limit(1)
    )


_ROUTE_FROM_DEFAULT = _route_query(Channel.is_default.is_(True))
_ROUTE_FROM_NUMBER = _route_query(Channel.phone_number == bindparam("number"))


def find_route(session: Session, number: str | None, to: Address, *, is_test: bool) -> Row[Any]:
    """Return everything that a send needs from the database, by one query.

    The row has `daily_message_quota`, `timezone` and `queued` (see `limits`), and as far as they
    exist `Channel` (the one with `number`, or the default), `contact_id` and `Conversation`. The
    contact is held as by `contacts.find_or_create`; one that has just been merged is not found.
    """
    given = {"kind": to.kind, "address": to.value, "is_test": is_test}
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
        "due_at": func.coalesce(bindparam("given_due_at"), func.clock_timestamp()),
        "fallback": bindparam("given_fallback", type_=JSONB(none_as_null=True)),
        # Column defaults do not apply inside a WITH.
        "attempts": 0,
        "is_held": False,
        "settle_reads": 0,
    }
)


def queueing(recorded: Insert, counted: Update) -> Insert:
    """Return one statement that writes a new message, its event and its conversation's count.

    This is the busiest write of the service, where round trips are the largest cost. The statement
    takes the parameters of `recorded` and `counted`, and `given_…` for the message. (A parameter
    with a column's name would also be written to that column by the UPDATE.)
    """
    return recorded.add_cte(_QUEUED.cte("queued"), counted.cte("counted"))


def insert_queued(
    session: Session, statement: Insert, message: Message, given: Mapping[str, Any]
) -> None:
    """Run a statement made by `queueing`; `given` holds the parameters of its other parts."""
    session.flush()
    columns = {f"given_{name}": getattr(message, name) for name in _AS_ORDERED}
    session.execute(statement, {**columns, "given_message_id": message.id, **given})
