"""Journey 1, first half: a promise to send becomes a durable row, then the bell rings."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import Session

from app import db
from app.channels import service as channels
from app.common import clock
from app.common.faultpoint import faultpoint
from app.common.ids import new_id
from app.common.phone import Address, parse_address
from app.common.principal import Principal
from app.contacts import service as contacts
from app.conversations import service as conversations
from app.conversations.window import Window, window_of
from app.errors import InvalidInput
from app.events import service as events
from app.messages import content as contents
from app.messages import quota
from app.messages.content import Content
from app.messages.errors import OutsideWindow
from app.models import (
    Channel,
    Conversation,
    Direction,
    Message,
    Policy,
    Priority,
    Sender,
    Status,
)
from app.tasks import names
from app.tasks.ring import ring


@dataclass(frozen=True, kw_only=True)
class Order:
    """What somebody asks us to send. `fallback` is a template for when the window is shut.

    `to` may be None when `conversation_id` is given: the answer goes where the customer wrote
    from. `send_at` and `valid_until` bound when it may leave.
    """

    content: Content
    to: Address | None = None
    conversation_id: UUID | None = None
    from_number: str | None = None
    sender: Sender = Sender.API
    priority: Priority | None = None
    policy: Policy = Policy.DEFAULT
    send_at: datetime | None = None
    valid_until: datetime | None = None
    fallback: Content | None = None
    is_test: bool = False


PRIORITIES = {"reply": Priority.REPLY, "notice": Priority.NOTICE, "bulk": Priority.BULK}

LONGEST_AHEAD = timedelta(days=365)
SLACK = timedelta(minutes=5)
"""A clock of the caller's may be a little behind ours."""


def order_from(principal: Principal, body: dict[str, Any], content: Content) -> Order:
    """The order that a checked request body makes of `content`. Raises InvalidInput."""
    priority = body.get("priority")
    _check_times(body)
    return Order(
        content=content,
        to=body.get("to_number") or body.get("phone"),
        conversation_id=body.get("conversation_id"),
        from_number=body.get("from_number"),
        sender=Sender.USER if principal.is_user else Sender.API,
        priority=PRIORITIES[priority] if priority else None,
        policy=Policy(body.get("policy", Policy.DEFAULT)),
        send_at=body.get("send_at"),
        valid_until=body.get("valid_until"),
        fallback=_fallback(body),
        is_test=principal.is_test,
    )


def _fallback(body: dict[str, Any]) -> Content | None:
    given = body.get("fallback")
    if given is None:
        return None
    try:
        return contents.template(given["content_sid"], given["content_variables"])
    except InvalidInput as error:
        reasons = error.details["fields"]
        raise InvalidInput({f"fallback.{name}": why for name, why in reasons.items()}) from error


def _check_times(body: dict[str, Any]) -> None:
    now = clock.now()
    send_at, valid_until = body.get("send_at"), body.get("valid_until")
    if send_at is not None and not now - SLACK <= send_at <= now + LONGEST_AHEAD:
        reason = f"Between now and {LONGEST_AHEAD.days} days ahead."
        raise InvalidInput({"send_at": [reason]})
    if (
        valid_until is not None
        and not max(now, send_at or now) < valid_until <= now + 2 * LONGEST_AHEAD
    ):
        reason = f"In the future, after send_at, at most {2 * LONGEST_AHEAD.days} days ahead."
        raise InvalidInput({"valid_until": [reason]})


def queue_message(session: Session, order: Order) -> Message:
    """Write the contact, the conversation, the message and its event; ring after the commit.

    Raises OutsideWindow when WhatsApp would refuse it, QuotaReached, and what the channel and
    the conversation look-ups raise.
    """
    quota.check(session)
    channel, conversation, to = _route(session, order)
    content = _content_for(conversation, order)
    window_is_open = window_of(conversation, clock.now()) is Window.OPEN
    message = Message(
        id=new_id(),
        channel_id=channel.id,
        conversation_id=conversation.id,
        contact_id=conversation.contact_id,
        direction=Direction.OUTGOING,
        status=Status.QUEUED,
        sender=order.sender,
        from_number=channel.phone_number,
        to_number=to.value,
        type=content["type"],
        body=content["body"],
        content=content,
        fallback=order.fallback,
        policy=order.policy,
        priority=order.priority
        if order.priority is not None
        else (Priority.REPLY if window_is_open else Priority.NOTICE),
        is_test=order.is_test,
        due_at=order.send_at or func.now(),
        valid_until=order.valid_until,
    )
    session.add(message)
    session.flush()
    conversations.count_outgoing(session, conversation.id)
    events.record_message(session, message, "queued")
    faultpoint("send_before_commit")
    db.after_commit(session, partial(faultpoint, "send_after_commit"))
    if order.send_at is None:
        ring(session, names.DELIVER_CHANNEL, db.tenant_of(session), channel.id)
    return message


def _route(session: Session, order: Order) -> tuple[Channel, Conversation, Address]:
    """The channel, the thread and the address: of the conversation given, else of the number."""
    if order.conversation_id is not None:
        conversation = conversations.get(session, order.conversation_id)
        channel = channels.usable(session, conversation.channel_id)
        _check_thread(session, order, channel, conversation)
        return channel, conversation, order.to or parse_address(conversation.address)
    if order.to is None:
        raise AssertionError("an order names an address or a conversation")
    channel = channels.channel_for_sending(session, order.from_number)
    contact_id = contacts.find_or_create(session, [order.to])
    conversation = conversations.thread(session, channel.id, contact_id, order.to)
    return channel, conversation, order.to


def _check_thread(
    session: Session, order: Order, channel: Channel, conversation: Conversation
) -> None:
    """What is named beside a conversation must belong to it, or a message would stand in one
    person's thread and go to another. Raises InvalidInput.
    """
    if order.from_number not in {None, channel.phone_number}:
        raise InvalidInput({"from_number": ["This conversation runs on another channel."]})
    if order.to and not contacts.has_address(session, conversation.contact_id, order.to):
        raise InvalidInput({"to_number": ["This conversation is with somebody else."]})


def _content_for(conversation: Conversation, order: Order) -> Content:
    """What to send now: the fallback when a free-form message would be refused.

    Raises OutsideWindow.
    """
    if not contents.needs_window(order.content):
        return order.content
    if window_of(conversation, clock.now()) is not Window.CLOSED:
        return order.content
    if order.fallback is None:
        raise OutsideWindow
    return order.fallback
