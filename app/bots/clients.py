"""What bots remember of a contact: the messages that they would read, and how to end that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.ai.types import Said
from app.bots import bots_repository as bots
from app.bots import history, turns
from app.bots import turns_repository as repository
from app.bots.definition import Definition, from_json
from app.bots.errors import ClientNotFound
from app.bots.prompt import MOST_HISTORY_TOKENS
from app.common import audit
from app.common.phone import Address, heard_address
from app.common.principal import Principal
from app.contacts import service as contacts
from app.conversations import service as conversations
from app.models import Bot, Conversation

MOST_CONVERSATIONS = 50
MOST_SHOWN = 5
"""Messages of a conversation that are shown; the others are counted."""


@dataclass(frozen=True)
class RememberedConversation:
    """A conversation, and what its channel's bot would read of it. `newest` are the last messages
    of it, oldest first, and `summary` what was said before. Without a bot nothing is read."""

    id: UUID
    channel_id: UUID
    bot_id: UUID | None
    owner: str
    history_from: datetime | None
    summary: str
    remembered_messages: int
    newest: tuple[Said, ...]


@dataclass(frozen=True)
class Client:
    """A contact as bots know it. `turns` are those that are still recorded."""

    contact_id: UUID
    name: str
    phone: str | None
    user_id: str | None
    conversations: tuple[RememberedConversation, ...]
    turns: int
    last_turn_at: datetime | None


def describe(session: Session, given: str) -> Client:
    """Return what bots would read of the contact with this phone number or user id.

    Raises ClientNotFound.
    """
    contact_id = contacts.find(session, _address(given))
    found = conversations.of_contact(session, contact_id, MOST_CONVERSATIONS) if contact_id else ()
    if contact_id is None or not _has_written(found):
        raise ClientNotFound
    person = contacts.summaries(session, [contact_id])[contact_id]
    on_channels = bots.on_channels(session, [each.channel_id for each in found])
    definitions = {
        bot_id: from_json(stored)
        for bot_id, stored in bots.definitions(session, list(on_channels.values())).items()
    }
    kept = conversations.summaries_of(session, [each.id for each in found])
    summaries = {conversation_id: row.text for conversation_id, row in kept.items()}
    number, last = repository.figures(session, [each.id for each in found])
    return Client(
        contact_id=contact_id,
        name=person.name,
        phone=person.phone,
        user_id=person.user_id,
        conversations=tuple(
            _describe(session, each, on_channels, definitions, summaries.get(each.id, ""))
            for each in found
        ),
        turns=number,
        last_turn_at=last,
    )


def forget(session: Session, actor: Principal, given: str) -> None:
    """Have bots read nothing of what was said so far with this contact. Nothing is deleted.

    Raises ClientNotFound.
    """
    contact_id = contacts.find_held(session, _address(given))
    if contact_id is None:
        raise ClientNotFound
    forgotten = conversations.forget(session, contact_id)
    if not _has_written(forgotten):
        raise ClientNotFound
    changes = {"conversations": len(forgotten)}
    audit.record(session, actor, "contact.forgotten_by_bots", ("contact", contact_id), changes)


def _address(given: str) -> Address:
    try:
        return heard_address(given)
    except ValueError as error:
        raise ClientNotFound from error


def _has_written(found: Sequence[Conversation]) -> bool:
    return any(each.last_inbound_at is not None for each in found)


def _describe(
    session: Session,
    conversation: Conversation,
    on_channels: Mapping[UUID, Bot],
    definitions: Mapping[UUID, Definition],
    summary: str,
) -> RememberedConversation:
    bot = on_channels.get(conversation.channel_id)
    definition = definitions.get(bot.id) if bot is not None else None
    read = _read(session, conversation, definition) if definition is not None else ()
    return RememberedConversation(
        id=conversation.id,
        channel_id=conversation.channel_id,
        bot_id=bot.id if bot is not None else None,
        owner=conversation.owner,
        history_from=conversation.history_from,
        summary=summary,
        remembered_messages=len(read),
        newest=read[-MOST_SHOWN:],
    )


def _read(session: Session, conversation: Conversation, definition: Definition) -> tuple[Said, ...]:
    """Return what the bot would read, besides the message that it is to answer."""
    rows = repository.last_messages(
        session, conversation.id, conversation.history_from, (), definition.history_messages
    )
    return history.as_items(turns.lines_of(rows), MOST_HISTORY_TOKENS)
