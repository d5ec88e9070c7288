"""Automatic answers to customers: keyword replies, and bots."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app.bots import brain, embedding_documents, keyword_replies, running, summarizing, turns
from app.bots import turns_repository as repository
from app.bots.keyword_replies import create_default_replies
from app.bots.limits import change as change_limits
from app.bots.playground import meaning_for
from app.bots.records import TurnDetails, list_turns
from app.common import leases
from app.models import Message
from app.tasks import names
from app.tasks.drain import name_of

__all__ = [
    "TurnDetails",
    "answer",
    "change_limits",
    "create_default_replies",
    "embed_documents",
    "list_turns",
    "meaning_for",
    "run_turn",
    "summarize",
]


def answer(session: Session, incoming: Message) -> None:
    """Answer an incoming message by a keyword's reply, else have the channel's bot do it.

    Where there is a bot, a keyword must be the whole message: who writes more than "hola" wants an
    answer to it. Runs in the transaction that stored the message, and waits for nothing outside.
    """
    bot = repository.bot_on(session, incoming.channel_id)
    if bot is None:
        keyword_replies.answer(session, incoming)
    elif not (bot.keywords_first and keyword_replies.answer(session, incoming, has_bot=True)):
        turns.arm(session, incoming, bot.id, timedelta(seconds=bot.wait))


def run_turn(tenant_id: UUID, conversation_id: UUID) -> None:
    """Run the turn of a conversation, if one is due."""
    running.run(tenant_id, conversation_id, brain.think)


def embed_documents(tenant_id: UUID) -> None:
    """Make embeddings that bots of this tenant wait for."""
    embedding_documents.run(tenant_id)


def summarize(tenant_id: UUID, conversation_id: UUID) -> None:
    """Make a new summary of a conversation, if one is due, there is a place for it, and nobody else
    makes it."""
    with (
        running.places.one(tenant_id) as is_free,
        leases.hold(name_of(names.SUMMARIZE, tenant_id, conversation_id)) as is_mine,
    ):
        if is_free and is_mine:
            summarizing.summarize(tenant_id, conversation_id)
