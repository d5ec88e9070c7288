"""Queries about what was said before the messages that a bot reads."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.bots.turns_repository import Messages, spoken
from app.models import Message


def before(
    session: Session, conversation_id: UUID, since: datetime | None, first_read: UUID, most: int
) -> Messages:
    """Return the newest messages after a time and before the message `first_read`, oldest first."""
    first = select(Message.at, Message.id).where(Message.id == first_read).scalar_subquery()
    query = spoken(conversation_id).where(tuple_(Message.at, Message.id) < first).limit(most)
    if since is not None:
        query = query.where(Message.at > since)
    return session.execute(query).all()[::-1]


def newest(session: Session, conversation_id: UUID, since: datetime | None, most: int) -> Messages:
    """Return the newest messages after a time, oldest first."""
    query = spoken(conversation_id).limit(most)
    if since is not None:
        query = query.where(Message.at > since)
    return session.execute(query).all()[::-1]
