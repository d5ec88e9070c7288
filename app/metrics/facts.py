"""Counts what the database was told, at the moment when it is durable.

The session itself says which messages, attempts and inbox items moved, row by row or by one
statement for many, so that no feature has to remember to count. A statement that computes the
status, or that the ORM does not see, is not counted: it has to say so itself.
"""

from collections.abc import Iterator
from typing import Any

from prometheus_client import Counter
from sqlalchemy import Result, Update, event, inspect
from sqlalchemy.orm import ORMExecuteState, Session

from app import db
from app.metrics import samples
from app.models import Attempt, InboxItem, InboxState, Message

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
        event.listen(Session, "do_orm_execute", note_statement)


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


def note_statement(state: ORMExecuteState) -> Result[Any] | None:
    """The same for an UPDATE that gives many rows one status; None leaves others to the session."""
    mapper, statement = state.bind_mapper, state.statement
    if not isinstance(statement, Update) or mapper is None or mapper.class_ not in COUNTED:
        return None
    column, counter = COUNTED[mapper.class_]
    target = statement.compile().params.get(column)
    if target in {None, InboxState.RECEIVED}:
        # An item that a replay puts back was received before.
        return None
    result: Result[Any] = state.invoke_statement()
    # Of an UPDATE the result is a CursorResult, which the annotation above does not say.
    moved = [(counter, str(target))] * max(0, getattr(result, "rowcount", 0))
    db.after_commit(state.session, lambda: count(moved))
    return result


def count(found: list[tuple[Counter, str]]) -> None:
    for counter, label in found:
        counter.labels(label).inc()
