"""Queries about what was said before the messages that a bot reads."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from app.bots.turns_repository import Messages, spoken
from app.models import Message


def newest(
    session: Session,
    conversation_id: UUID,
    most: int,
    *,
    since: datetime | None,
    before: UUID | None = None,
) -> Messages:
    """Return the newest messages after a time, oldest first; only those before this message."""
    query = spoken(conversation_id).limit(most)
    if since is not None:
        query = query.where(Message.at > since)
    if before is not None:
        end = select(Message.at, Message.id).where(Message.id == before).scalar_subquery()
        query = query.where(tuple_(Message.at, Message.id) < end)
    return session.execute(query).all()[::-1]
