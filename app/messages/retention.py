"""Old messages go, with their attempts. Their conversations stay, and what these have counted."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app import config
from app.common import clock
from app.common.retention import delete_some
from app.messages import search
from app.messages.status import FINISHED
from app.models import Message


def kept_since() -> datetime | None:
    """Messages of an earlier time are removed once they are finished; None: all are kept."""
    days = config.current().message_retention_days
    return clock.now() - timedelta(days=days) if days else None


def forget_old(session: Session, most: int) -> int:
    """Remove up to `most` finished messages older than MESSAGE_RETENTION_DAYS; answers how many.

    What waits, is being sent or is uncertain stays, whatever its age.
    """
    before = kept_since()
    if before is None:
        return 0
    is_old = Message.status.in_(FINISHED), Message.at < before
    removed = delete_some(session, Message, *is_old, most=most)
    if removed:
        search.forget_blocks(session, before)
    return removed
