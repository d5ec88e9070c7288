from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Interval,
    Row,
    Select,
    and_,
    bindparam,
    case,
    delete,
    func,
    null,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from app import db
from app.common.ids import new_id
from app.common.pagination import Page, PageRequest, fetch_wanted
from app.models import (
    Bot,
    Contact,
    ContactAlias,
    Conversation,
    ConversationStatus,
    Direction,
    Message,
    Owner,
    Sender,
    Status,
)

# A message in either direction also reopens the conversation.
_ONE_MORE = {
    "message_count": Conversation.message_count + 1,
    "status": ConversationStatus.ACTIVE,
    "closed_at": None,
}


def get(
    session: Session, tenant_id: UUID, conversation_id: UUID, *, fresh: bool = False
) -> Conversation | None:
    """Return the conversation, or None. With `fresh`, read it from the database even if this
    session has it."""
    return session.get(Conversation, (tenant_id, conversation_id), populate_existing=fresh)


_HOLD = (
    select(Conversation)
    .join(
        Contact,
        and_(Contact.tenant_id == Conversation.tenant_id, Contact.id == Conversation.contact_id),
    )
    .where(Conversation.id == bindparam("conversation_id"))
    .with_for_update(read=True, key_share=True, of=Contact)
    .execution_options(populate_existing=True)
)


def hold(session: Session, conversation_id: UUID) -> Conversation | None:
    """Return the conversation and lock its contact against a merge until the transaction ends.

    Returns None when there is none, or when its contact has just been merged; then query again.
    """
    return session.scalars(_HOLD, {"conversation_id": conversation_id}).one_or_none()


def lock(session: Session, tenant_id: UUID, conversation_id: UUID) -> Conversation | None:
    """Return the current row, locked until the transaction ends. New messages may still refer to
    it."""
    session.flush()
    return session.get(
        Conversation,
        (tenant_id, conversation_id),
        with_for_update={"key_share": True},
        populate_existing=True,
    )


def lock_idle(session: Session, idle: timedelta, most: int) -> Sequence[Conversation]:
    """Lock, and return, the conversations that people own and in which nobody has written for so
    long. Those that somebody else has locked are left out."""
    query = (
        select(Conversation)
        .where(
            Conversation.owner == Owner.HUMAN,
            Conversation.last_message_at < func.now() - idle,
            Conversation.owner_since < func.now() - idle,
        )
        .order_by(Conversation.id)
        .limit(most)
        .with_for_update(key_share=True, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).all()


def get_or_create(
    session: Session, channel_id: UUID, contact_id: UUID, address: str, *, is_test: bool
) -> Conversation:
    """Return the conversation of a contact on a channel, or its test conversation; concurrent
    transactions get the same one.

    The caller holds the contact.
    """
    query = select(Conversation).where(
        Conversation.channel_id == channel_id,
        Conversation.contact_id == contact_id,
        Conversation.is_test.is_(is_test),
    )
    found = session.scalars(query).one_or_none()
    if found is not None:
        return found
    session.flush()
    session.execute(
        insert(Conversation)
        .values(
            id=new_id(),
            channel_id=channel_id,
            contact_id=contact_id,
            address=address,
            is_test=is_test,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "channel_id", "contact_id", "is_test"])
    )
    return session.scalars(query).one()


_BY_PERSON = bindparam("given_by_person", type_=Boolean())
COUNT_OUTGOING = (
    update(Conversation.__table__)  # type: ignore[arg-type]  # declared as FromClause
    .where(
        Conversation.tenant_id == bindparam("given_tenant_id"),
        Conversation.id == bindparam("given_conversation_id"),
    )
    .values(
        **_ONE_MORE,
        last_message_at=func.greatest(Conversation.last_message_at, func.now()),
        auto_replies_paused_until=case(
            (_BY_PERSON, null()), else_=Conversation.auto_replies_paused_until
        ),
        auto_replies_counted_from=case(
            (_BY_PERSON, func.now()), else_=Conversation.auto_replies_counted_from
        ),
    )
)


def count_incoming(session: Session, conversation_id: UUID, at: datetime) -> None:
    """Count one more incoming message, which the customer wrote at `at`.

    A single statement, so that simultaneous messages are all counted.
    """
    session.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(
            **_ONE_MORE,
            last_message_at=func.greatest(Conversation.last_message_at, at),
            last_inbound_at=func.greatest(Conversation.last_inbound_at, at),
        )
        # A conversation that this session has loaded must not keep showing the old window.
        .execution_options(synchronize_session="evaluate")
    )


def close_window(session: Session, conversation_id: UUID, at: datetime) -> None:
    """Record that the provider refused a message at `at` because the window was closed."""
    session.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(window_closed_at=func.greatest(Conversation.window_closed_at, at))
        .execution_options(synchronize_session=False)
    )


LOOKED_AT = 100
MOST_SAID = 300

_SINCE = func.now() - bindparam("span", type_=Interval())
_REPLIES = select(
    func.now().label("now"),
    select(func.count())
    .select_from(Message)
    .where(
        Message.conversation_id == bindparam("conversation_id"),
        Message.sender == Sender.BOT,
        # `greatest` ignores nulls.
        Message.at > func.greatest(_SINCE, bindparam("counted_from")),
    )
    .scalar_subquery()
    .label("replies"),
)
_NEWEST = (
    select(Message.at, Message.id, Message.direction, Message.body)
    .where(
        Message.conversation_id == bindparam("conversation_id"),
        Message.at > _SINCE,
        # A scheduled message has not been said yet.
        Message.at <= func.clock_timestamp(),
    )
    .order_by(Message.at.desc(), Message.id.desc())
    .limit(LOOKED_AT)
    .subquery()
)
_LAST_TEXT = (
    select(_NEWEST.c.body)
    .where(_NEWEST.c.direction == Direction.OUTGOING)
    .order_by(_NEWEST.c.at.desc(), _NEWEST.c.id.desc())
    .limit(1)
)


def automatic_replies(
    session: Session, conversation: Conversation, span: timedelta, since: datetime | None
) -> Row[datetime, int]:
    """Return the database's `now`, and the number of automatic `replies` within `span` before it
    and after `since`."""
    return session.execute(
        _REPLIES,
        {
            "conversation_id": conversation.id,
            "span": span,
            "counted_from": since,
        },
    ).one()


def said_lately(
    session: Session, conversation_id: UUID, span: timedelta, since: datetime | None
) -> Sequence[Row[datetime, str, str]]:
    """Return (at, direction, body) of the newest messages of the customer and of automatic answers,
    the oldest first."""
    query = (
        select(Message.at, Message.direction, Message.body)
        .where(
            Message.conversation_id == conversation_id,
            Message.at > func.now() - span,
            Message.at <= func.clock_timestamp(),
            Message.sender.in_([Sender.CONTACT, Sender.BOT]),
        )
        .order_by(Message.at.desc(), Message.id.desc())
        .limit(MOST_SAID)
    )
    if since is not None:
        query = query.where(Message.at > since)
    return session.execute(query).all()[::-1]


def last_text(session: Session, conversation_id: UUID, span: timedelta) -> str | None:
    """Return our last text of this conversation, if it is among its newest messages and within
    `span`."""
    return session.scalar(_LAST_TEXT, {"conversation_id": conversation_id, "span": span})


def list_page(
    session: Session,
    page: PageRequest,
    equal: Mapping[str, Any],
    address: tuple[str, str] | None,
) -> Page[Conversation]:
    """Return one page, the conversation with the newest message first.

    `equal` maps columns to their wanted values.
    """
    # The tenant is given as a value, so that the planner knows how many rows it has.
    run = select(Conversation).where(Conversation.tenant_id == db.tenant_of(session))
    if address is not None:
        run = run.where(Conversation.contact_id.in_(_contacts_at(address)))
    rest = {}
    for name, value in equal.items():
        if name == "assigned_to" or value == Owner.HUMAN:
            # These are few, and have an index of their own.
            run = run.where(getattr(Conversation, name) == value)
        else:
            rest[name] = value

    def wanted(row: Any) -> list[ColumnElement[bool]]:
        return [getattr(row, name) == value for name, value in rest.items()]

    sort = (Conversation.last_message_at, Conversation.id)
    return fetch_wanted(session, [run], sort, page, wanted)


def _contacts_at(address: tuple[str, str]) -> Select[UUID]:
    kind, value = address
    return select(ContactAlias.contact_id).where(
        ContactAlias.kind == kind, ContactAlias.value == value
    )


def of_contact(session: Session, contact_id: UUID, most: int) -> Sequence[Conversation]:
    query = (
        select(Conversation)
        .where(Conversation.contact_id == contact_id)
        .order_by(Conversation.last_message_at.desc(), Conversation.id.desc())
        .limit(most)
    )
    return session.scalars(query).all()


def lock_of_contacts(session: Session, contact_ids: Sequence[UUID]) -> Sequence[Conversation]:
    """Lock every conversation of these contacts until the transaction ends; return the current
    rows."""
    query = (
        select(Conversation)
        .where(Conversation.contact_id.in_(contact_ids))
        .order_by(Conversation.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).all()


def lock_waiting(session: Session, ids: Sequence[UUID]) -> Sequence[Row[UUID, str]]:
    """Lock each message of these conversations that is or may get in flight; return (channel_id,
    status) each.

    They are locked until the transaction ends, so that none is claimed meanwhile.
    """
    query = (
        select(Message.channel_id, Message.status)
        .where(
            Message.conversation_id.in_(ids),
            Message.status.in_([Status.QUEUED, Status.SENDING, Status.UNCERTAIN]),
        )
        .order_by(Message.id)
        .with_for_update()
    )
    return session.execute(query).all()


def move_messages(
    session: Session, from_id: UUID, *, conversation_id: UUID, contact_id: UUID
) -> None:
    """Move every message of the conversation `from_id` to this one; lock them in one order."""
    each = aliased(Message)
    in_order = (
        select(each.id).where(each.conversation_id == from_id).order_by(each.id).with_for_update()
    )
    session.execute(
        update(Message)
        .where(Message.id.in_(in_order))
        .values(
            conversation_id=conversation_id,
            contact_id=contact_id,
            # It says when the status last changed, and the status did not change.
            updated_at=Message.updated_at,
        )
        .execution_options(synchronize_session=False)
    )


def has_bot(session: Session, channel_id: UUID) -> bool:
    """Return whether a bot answers on this channel."""
    query = select(Bot.id).where(Bot.channel_id == channel_id, Bot.is_enabled)
    return session.scalar(query) is not None


def give_turns(session: Session, source_id: UUID, target_id: UUID) -> None:
    """Move the bots' turns of one conversation to another. One that waits or runs ends, and one is
    due in the other at once, so that its messages are answered."""
    for statement in (_ARM_TARGET, _END_OPEN, _MOVE):
        session.execute(statement, {"source": source_id, "target": target_id, "id": new_id()})


_ARM_TARGET = text("""
    insert into recado.turns as kept
        (tenant_id, id, conversation_id, bot_id, state, due_at, message_ids)
    select tenant_id, :id, :target, bot_id, 'armed', now(), (
        select coalesce(jsonb_agg(message_id), '[]')
        from recado.turns o cross join jsonb_array_elements(o.message_ids) as message_id
        where o.conversation_id = :source and o.state in ('armed', 'running')
    ) from recado.turns
    where conversation_id = :source and state in ('armed', 'running')
    order by id desc limit 1
    on conflict (tenant_id, conversation_id) where state = 'armed' do update
    set due_at = now(), message_ids = kept.message_ids || excluded.message_ids
""")
_END_OPEN = text("""
    update recado.turns set state = 'finished', outcome = 'superseded', lease_until = null,
        finished_at = now()
    where conversation_id = :source and state in ('armed', 'running')
""")
_MOVE = text("update recado.turns set conversation_id = :target where conversation_id = :source")


def remove(session: Session, conversation_id: UUID) -> None:
    session.execute(delete(Conversation).where(Conversation.id == conversation_id))
