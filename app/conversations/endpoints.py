from typing import Any
from uuid import UUID

from app.bots import service as bots
from app.bots.schemas.turns import TurnPage
from app.bots.service import TurnDetails
from app.common.pagination import Page, PageRequest
from app.common.permissions import Permission
from app.common.principal import principal, requires, session
from app.common.schema import PageArgs
from app.conversations import ownership, service
from app.conversations.errors import ConversationNotFound
from app.conversations.schemas import (
    AssignArgs,
    ConversationArgs,
    ConversationPage,
    ConversationSchema,
    HistoryPage,
    ReasonArgs,
)
from app.conversations.service import ConversationDetails, ConversationFilter
from app.errors import fails_with
from app.extensions import Blueprint
from app.messages import service as messages
from app.models import Message

conversations = Blueprint("conversations", "conversations")


@conversations.get("/conversations")
@requires(Permission.CONVERSATIONS_READ)
@conversations.arguments(ConversationArgs, location="query")
@conversations.response(200, ConversationPage)
def list_conversations(args: dict[str, Any]) -> Page[ConversationDetails]:
    """List conversations

    The one with the newest message first. Follow `next_cursor` until it is null: at most 4,000
    conversations are read for one page, so a page may hold few that match the filters, or none, and
    not be the last.
    """
    page = PageRequest(args.pop("limit"), args.pop("cursor"))
    return service.list_page(session(), ConversationFilter(**args), page)


@conversations.get("/conversations/<uuid:conversation_id>")
@requires(Permission.CONVERSATIONS_READ)
@fails_with(ConversationNotFound)
@conversations.response(200, ConversationSchema)
def get_conversation(conversation_id: UUID) -> ConversationDetails:
    """Show a conversation"""
    return service.describe(session(), service.get(session(), conversation_id))


@conversations.get("/conversations/<uuid:conversation_id>/history")
@requires(Permission.MESSAGES_READ)
@fails_with(ConversationNotFound)
@conversations.arguments(PageArgs, location="query")
@conversations.response(200, HistoryPage)
def get_history(args: dict[str, Any], conversation_id: UUID) -> Page[Message]:
    """List a conversation's messages

    Oldest first. They are in the order in which people saw them. The time of an incoming message is
    when we received it (or, if no webhook reported it, when it was written); that of an outgoing
    message is when it was queued or, if it is scheduled, when it is to be sent. An answer never
    stands before its question.
    """
    return messages.history(session(), conversation_id, PageRequest(**args))


@conversations.get("/conversations/<uuid:conversation_id>/turns")
@requires(Permission.MESSAGES_READ)
@fails_with(ConversationNotFound)
@conversations.arguments(PageArgs, location="query")
@conversations.response(200, TurnPage)
def list_turns(args: dict[str, Any], conversation_id: UUID) -> Page[TurnDetails]:
    """List a conversation's bot turns

    Newest first: what a bot read, called and said, what it cost, or why it said nothing. They are
    kept for TURN_RETENTION_DAYS.
    """
    service.get(session(), conversation_id)
    return bots.list_turns(session(), conversation_id, PageRequest(**args))


@conversations.post("/conversations/<uuid:conversation_id>/close")
@requires(Permission.CONVERSATIONS_WRITE)
@fails_with(ConversationNotFound)
@conversations.response(200, ConversationSchema)
def close_conversation(conversation_id: UUID) -> ConversationDetails:
    """Close a conversation

    The next message of either side reopens it. A person who owned it owns it no more.
    """
    return service.describe(session(), service.close(session(), principal(), conversation_id))


@conversations.post("/conversations/<uuid:conversation_id>/reopen")
@requires(Permission.CONVERSATIONS_WRITE)
@fails_with(ConversationNotFound)
@conversations.response(200, ConversationSchema)
def reopen_conversation(conversation_id: UUID) -> ConversationDetails:
    """Reopen a conversation

    This also ends a pause of automatic replies.
    """
    return service.describe(session(), service.reopen(session(), principal(), conversation_id))


@conversations.post("/conversations/<uuid:conversation_id>/take-over")
@requires(Permission.CONVERSATIONS_WRITE)
@fails_with(ConversationNotFound)
@conversations.arguments(ReasonArgs)
@conversations.response(200, ConversationSchema)
def take_over_conversation(body: dict[str, Any], conversation_id: UUID) -> ConversationDetails:
    """Take over a conversation

    A person answers from now on, and nothing answers automatically: the member who calls this or,
    for an API key, no certain one. It ends when the conversation is released or closed, or when
    nobody has written in it for a day (HUMAN_IDLE_HOURS).
    """
    taken = ownership.take_over(session(), principal(), conversation_id, body["reason"])
    return service.describe(session(), taken)


@conversations.post("/conversations/<uuid:conversation_id>/assign")
@requires(Permission.CONVERSATIONS_WRITE)
@fails_with(ConversationNotFound)
@conversations.arguments(AssignArgs)
@conversations.response(200, ConversationSchema)
def assign_conversation(body: dict[str, Any], conversation_id: UUID) -> ConversationDetails:
    """Assign a conversation to a member

    Like taking it over, for somebody else.
    """
    given = ownership.assign(session(), principal(), conversation_id, **body)
    return service.describe(session(), given)


@conversations.post("/conversations/<uuid:conversation_id>/release")
@requires(Permission.CONVERSATIONS_WRITE)
@fails_with(ConversationNotFound)
@conversations.arguments(ReasonArgs)
@conversations.response(200, ConversationSchema)
def release_conversation(body: dict[str, Any], conversation_id: UUID) -> ConversationDetails:
    """Release a conversation

    The next message of the customer may be answered automatically again. Changes nothing where no
    person owns the conversation.
    """
    released = ownership.release(session(), principal(), conversation_id, body["reason"])
    return service.describe(session(), released)
