"""Routing of a message: its channel, its recipient, its conversation."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.channels import service as channels
from app.common.phone import Address, stored_address
from app.contacts import service as contacts
from app.conversations import service as conversations
from app.errors import InvalidInput
from app.messages import sending_repository as repository
from app.messages.content import Content
from app.models import Channel, Conversation, Policy, Priority, Sender


@dataclass(frozen=True, kw_only=True)
class Order:
    """A request to send. `fallback` is a template to use when the window is closed.

    `to` may be None when `conversation_id` is given: the message goes to the address that the
    customer wrote from. `send_at` and `valid_until` limit when it may be sent.
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


@dataclass(frozen=True)
class Route:
    """Where an order goes, and the daily quota of its tenant (None: no limit).

    `queued` is the number of messages that wait in the conversation already.
    """

    channel: Channel
    conversation: Conversation
    to: Address
    daily_quota: int | None
    timezone: str
    queued: int


def find(session: Session, order: Order) -> Route:
    """Find the conversation of an order by its id, or by its number; create it when it is new.

    Raises InvalidInput, and the errors of looking up channels and conversations.
    """
    if order.conversation_id is not None:
        return _of_conversation(session, order, order.conversation_id)
    if order.to is None:
        raise AssertionError("an order names an address or a conversation")
    number = channels.sender_number(order.from_number)
    found = repository.find_route(session, number, order.to, is_test=order.is_test)
    channel = channels.sending(found.Channel, number)
    conversation = found.Conversation
    if conversation is None:
        contact_id = found.contact_id or contacts.find_or_create(session, [order.to])
        conversation = conversations.thread(
            session, channel.id, contact_id, order.to, is_test=order.is_test
        )
    else:
        conversations.move(conversation, order.to)
    limits = (found.daily_message_quota, found.timezone, found.queued)
    return Route(channel, conversation, order.to, *limits)


def _of_conversation(session: Session, order: Order, conversation_id: UUID) -> Route:
    conversation = conversations.hold(session, conversation_id)
    channel = channels.usable(session, conversation.channel_id)
    _check_thread(session, order, channel, conversation)
    to = order.to or stored_address(conversation.address)
    found = repository.limits(session, conversation_id)
    limits = (found.daily_message_quota, found.timezone, found.queued)
    return Route(channel, conversation, to, *limits)


def _check_thread(
    session: Session, order: Order, channel: Channel, conversation: Conversation
) -> None:
    """Check that a number or channel given with a conversation belongs to it; otherwise a message
    would stand in one person's conversation and go to another person. Raises InvalidInput."""
    if order.from_number not in {None, channel.phone_number}:
        raise InvalidInput({"from_number": ["This conversation runs on another channel."]})
    if order.to and not contacts.has_address(session, conversation.contact_id, order.to):
        raise InvalidInput({"to_number": ["This conversation is with somebody else."]})
