"""Retention: old messages are removed with their attempts. Conversations stay, and so do their
counts."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app import config
from app.common import clock
from app.common.retention import delete_some
from app.messages import search
from app.messages.status import FINISHED
from app.models import Message


def kept_since() -> datetime | None:
    """Return the time before which finished messages are removed; None when all are kept."""
    days = config.current().message_retention_days
    return clock.now() - timedelta(days=days) if days else None


def forget_old(session: Session, most: int) -> int:
    """Remove up to `most` finished messages older than MESSAGE_RETENTION_DAYS; return how many were
    removed.

    Messages that are queued, in flight or uncertain stay, whatever their age.
    """
    before = kept_since()
    if before is None:
        return 0
    is_old = Message.status.in_(FINISHED), Message.at < before
    removed = delete_some(session, Message, *is_old, most=most)
    if removed:
        search.forget_blocks(session, before)
    return removed
