"""Queries about what is replayed: turns that ended, what they read, and what they said."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from app.bots.history import Line
from app.models import Conversation, Direction, Message, Sender, Turn, TurnOutcome, TurnState

Found = Row[Turn, UUID, UUID]
"""(turn, contact id, channel id)."""


def newest_answered(session: Session, bot_id: UUID, most: int) -> Sequence[Found]:
    query = _finished(bot_id).where(Turn.outcome == TurnOutcome.ANSWERED)
    return session.execute(query.order_by(Turn.id.desc()).limit(most)).all()


def finished(session: Session, bot_id: UUID, turn_ids: Sequence[UUID]) -> dict[UUID, Found]:
    """Return id → turn for those of this bot that have ended."""
    query = _finished(bot_id).where(Turn.id.in_(turn_ids))
    return {row[0].id: row for row in session.execute(query)}


def _finished(bot_id: UUID) -> Select[Turn, UUID, UUID]:
    return (
        select(Turn, Conversation.contact_id, Conversation.channel_id)
        .join(Conversation, Conversation.id == Turn.conversation_id)
        .where(Turn.bot_id == bot_id, Turn.state == TurnState.FINISHED)
    )


def lines(session: Session, turn: Turn) -> tuple[Line, ...] | None:
    """Return the messages that a turn read, in their order; None if one of them is gone."""
    wanted = [UUID(each) for each in turn.message_ids]
    query = select(Message.id, Message.direction, Message.type, Message.body).where(
        Message.id.in_(wanted)
    )
    found = {
        row.id: Line(row.direction == Direction.INCOMING, row.type, row.body)
        for row in session.execute(query)
    }
    if not wanted or len(found) < len(set(wanted)):
        return None
    return tuple(found[each] for each in wanted)


def texts(session: Session, turn: Turn) -> list[str]:
    """Return the messages that a turn sent: up to its last one, all since it was finished."""
    if turn.reply_id is None:
        return []
    query = (
        select(Message.body)
        .where(
            Message.conversation_id == turn.conversation_id,
            Message.sender == Sender.BOT,
            Message.created_at >= turn.finished_at,
            Message.id <= turn.reply_id,
        )
        .order_by(Message.id)
    )
    return list(session.scalars(query))
