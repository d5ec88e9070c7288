"""Limits for automatic replies, so that two machines do not answer each other forever.

Two rules apply to everything that answers automatically. A text of our own that comes back gets no
answer. And a conversation gets at most AUTO_REPLIES_PER_HOUR answers within an hour; the next one
pauses automatic replies there for an hour, which the conversation shows. A person of the business
ends the pause by writing there or by reopening the conversation, and the count begins again.

A bot is stopped sooner where two machines seem to talk (`app/conversations/loops.py`); then the
conversation is handed to people.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import Session

from app import config, db
from app.common import clock
from app.common.wording import says_the_same
from app.conversations import loops, repository
from app.events import service as events
from app.events.catalogue import EventType
from app.models import Conversation, Direction, Owner

SPAN = timedelta(hours=1)
"""The period in which they are counted, and the length of the pause."""

DAY = timedelta(days=1)


def may_reply(
    session: Session,
    conversation_id: UUID,
    text: str,
    own_texts: Iterable[str],
    most: int | None = None,
) -> bool:
    """Return whether `text`, which a customer wrote in this conversation, may be answered
    automatically; with `most`, if no more answers were given there within an hour.

    `own_texts` are the texts that the caller sends automatically. Write the reply in the same
    transaction: the conversation is locked until it ends, so that two replies are never counted as
    one.
    """
    conversation = repository.lock(session, db.tenant_of(session), conversation_id)
    if conversation is None or conversation.owner == Owner.HUMAN:
        return False
    if is_paused(conversation, clock.now()):
        return False
    if any(says_the_same(text, own) for own in own_texts):
        return False
    if says_the_same(text, repository.last_text(session, conversation_id, SPAN) or ""):
        return False
    since = conversation.auto_replies_counted_from
    recent = repository.automatic_replies(session, conversation, SPAN, since)
    if recent.replies < (most or config.current().auto_replies_per_hour):
        return True
    _pause(session, conversation, recent.now + SPAN)
    return False


def is_loop(session: Session, conversation: Conversation) -> bool:
    """Return whether two machines seem to talk, since a person last stepped in.

    The caller holds the row.
    """
    begun = (conversation.auto_replies_counted_from, conversation.history_from)
    since = max((each for each in begun if each is not None), default=None)
    counted = repository.automatic_replies(session, conversation, SPAN, since)
    if counted.replies < loops.LEAST_ANSWERS:
        return False
    rows = repository.said_lately(session, conversation.id, SPAN, since)
    said = [loops.Said(row.at, row.direction == Direction.INCOMING, row.body) for row in rows]
    of_day = repository.automatic_replies(session, conversation, DAY, since)
    return loops.is_loop(said, of_day.replies)


def is_paused(conversation: Conversation, now: datetime) -> bool:
    until = conversation.auto_replies_paused_until
    return until is not None and now < until


def paused_until(conversation: Conversation) -> datetime | None:
    """Return when automatic replies begin again; None while they are not paused."""
    shown = is_paused(conversation, clock.now())
    return conversation.auto_replies_paused_until if shown else None


def _pause(session: Session, conversation: Conversation, until: datetime) -> None:
    conversation.auto_replies_paused_until = until
    events.record(
        session,
        EventType.AUTO_REPLIES_PAUSED,
        {"conversation_id": str(conversation.id), "until": clock.isoformat(until)},
        conversation_id=conversation.id,
    )


def resume(conversation: Conversation) -> bool:
    """End a pause and reset the count; return False when there was no pause. The caller holds the
    row."""
    if conversation.auto_replies_paused_until is None:
        return False
    conversation.auto_replies_paused_until = None
    conversation.auto_replies_counted_from = func.now()
    return True
