"""Counts changes of rows when they are committed.

The session knows which messages, attempts and inbox items changed, so features need no counting
code. A statement that changes rows without the session must report it (`count_message`,
`count_inbox`).
"""

from collections.abc import Iterator
from typing import Any

from prometheus_client import Counter
from sqlalchemy import event, inspect
from sqlalchemy.orm import Session

from app import db
from app.metrics import samples
from app.models import Attempt, InboxItem, Message

COUNTED: dict[type[Any], tuple[str, Counter]] = {
    Message: ("status", samples.MESSAGES),
    Attempt: ("outcome", samples.ATTEMPTS),
    InboxItem: ("state", samples.INBOX),
}
"""Model → the column that changes, and its counter."""


def listen() -> None:
    """Begin to count in this process; a second call changes nothing."""
    if not event.contains(Session, "after_flush", note_rows):
        event.listen(Session, "after_flush", note_rows)


def note_rows(session: Session, _context: Any) -> None:
    """Note what this flush changed; it is counted after the commit."""
    found = [move for row in (*session.new, *session.dirty) for move in moves_of(row)]
    if found:
        db.after_commit(session, lambda: count(found))


def moves_of(row: Any) -> Iterator[tuple[Counter, str]]:
    """Return the counter and the new value, if this flush changed the value."""
    column, counter = COUNTED.get(type(row), ("", None))
    if counter is None:
        return
    history = inspect(row).attrs[column].history
    if history.added and list(history.added) != list(history.deleted):
        yield counter, str(history.added[0])


def count(found: list[tuple[Counter, str]]) -> None:
    for counter, label in found:
        counter.labels(label).inc()
