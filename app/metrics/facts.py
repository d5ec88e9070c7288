"""Counts what the database was told, at the moment when it is durable.

The session itself says which messages, attempts and inbox items moved, so that no feature has to
remember to count. A statement that moves rows without the session knowing them has to say so
itself (`count_message`, `count_inbox`).
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
"""Model → the column that moves, and what counts it."""


def listen() -> None:
    """Begin to count in this process; a second call changes nothing."""
    if not event.contains(Session, "after_flush", note_rows):
        event.listen(Session, "after_flush", note_rows)


def note_rows(session: Session, _context: Any) -> None:
    """Remember what this flush moved; it counts once the transaction is durable."""
    found = [move for row in (*session.new, *session.dirty) for move in moves_of(row)]
    if found:
        db.after_commit(session, lambda: count(found))


def moves_of(row: Any) -> Iterator[tuple[Counter, str]]:
    """The counter and the new value, if this flush wrote another one."""
    column, counter = COUNTED.get(type(row), ("", None))
    if counter is None:
        return
    history = inspect(row).attrs[column].history
    if history.added and list(history.added) != list(history.deleted):
        yield counter, str(history.added[0])


def count(found: list[tuple[Counter, str]]) -> None:
    for counter, label in found:
        counter.labels(label).inc()
