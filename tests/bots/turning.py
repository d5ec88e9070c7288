"""Conversations with a bot: what the customer writes, what becomes of the turns, what is said."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app import db
from app.bots import bots_repository as bots
from app.bots import running, turns
from app.bots.turns import Result, Work
from app.conversations import service as conversations
from app.models import Conversation, Message, TurnOutcome
from tests.factories import create_message

NOW = timedelta()


def hear(
    conversation: Conversation,
    body: str = "hola",
    wait: timedelta = NOW,
    type: str = "text",
    **fields: Any,
) -> Message:
    message = create_message(
        conversation.tenant_id,
        conversation=conversation,
        body=body,
        direction="incoming",
        status="received",
        sender="contact",
        type=type,
        due_at=None,
        **fields,
    )
    with db.tenant_session(conversation.tenant_id) as session:
        bot_id = bots.find_by_channel(session, conversation.channel_id)
        assert bot_id is not None
        turns.arm(session, message, bot_id, wait)
    return message


def say(text: str, **fields: Any) -> Callable[[UUID, Work], Result]:
    def think(_: UUID, __: Work) -> Result:
        return Result((text,), TurnOutcome.ANSWERED, **fields)

    return think


def run(conversation: Conversation, think: Any = None) -> None:
    running.run(conversation.tenant_id, conversation.id, think or say("¡Hola!"))


def rows(conversation: Conversation, statement: str) -> list[Any]:
    with db.tenant_session(conversation.tenant_id) as session:
        result: Any = session.execute(text(statement))
        return list(result) if result.returns_rows else []


def told(conversation: Conversation) -> list[tuple[str, str | None, str]]:
    """Return (state, outcome, error) of each turn."""
    found = rows(conversation, "select state, outcome, error from recado.turns order by id")
    return [tuple(each) for each in found]


def said(conversation: Conversation) -> list[str]:
    found = rows(conversation, "select body from recado.messages where sender = 'bot' order by id")
    return [body for (body,) in found]


def owner_of(conversation: Conversation) -> str:
    ((owner,),) = rows(conversation, "select owner from recado.conversations")
    return str(owner)


def take_over(conversation: Conversation) -> None:
    with db.tenant_session(conversation.tenant_id) as session:
        conversations.hand_over(session, conversation.id, "a person writes")
