"""Receiving: an incoming message becomes a row in a conversation."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.channels.providers.base import InboundMessage
from app.contacts import service as contacts
from app.conversations import service as conversations
from app.events import service as events
from app.events.catalogue import EventType
from app.models import Direction, Message, Sender, Status


def receive(
    session: Session, channel_id: UUID, message_id: UUID, inbound: InboundMessage, at: datetime
) -> Message:
    """Store an incoming message under `message_id`; `at` is when we received it."""
    address = inbound.aliases[0]
    contact_id = contacts.find_or_create(session, inbound.aliases, inbound.profile_name)
    conversation = conversations.thread(session, channel_id, contact_id, address)
    message = Message(
        id=message_id,
        created_at=at,
        channel_id=channel_id,
        conversation_id=conversation.id,
        contact_id=contact_id,
        direction=Direction.INCOMING,
        status=Status.RECEIVED,
        sender=Sender.CONTACT,
        from_number=address.value,
        to_number=inbound.to_number,
        type=inbound.type,
        body=inbound.body,
        content=inbound.content,
        provider_message_id=inbound.provider_message_id,
    )
    session.add(message)
    session.flush()
    conversations.count_incoming(session, conversation.id, at)
    events.record_message(session, EventType.MESSAGE_RECEIVED, message, type=inbound.type)
    return message
