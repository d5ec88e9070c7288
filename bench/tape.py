"""The limit of the database: the SQL that a request really ran, replayed by bare psycopg2.

Two runs are recorded, after one that fills the caches. Values that differ between them are replaced
by new ones for each repetition; the others (the tenant, the channel, the person) stay.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg2.extensions import connection
from sqlalchemy import event

from app import db
from app.common.ids import new_id

THREADS = 8

Parameters = Any
Connect = Callable[[], connection]


@dataclass
class Tape:
    """Statements with their parameters, in order; None marks a commit."""

    steps: list[tuple[str, Parameters] | None] = field(default_factory=list)


def record(action: Callable[[], object]) -> Tape:
    """Run `action` and record the SQL of this process's engine."""
    tape = Tape()

    def on_statement(_c: Any, _cursor: Any, sql: str, given: Any, _x: Any, _many: bool) -> None:
        tape.steps.append((sql, given))

    def on_commit(_connection: Any) -> None:
        tape.steps.append(None)

    engine = db.Database.engine
    if engine is None:
        raise RuntimeError("The application has no database yet.")
    listeners: dict[str, Callable[..., Any]] = {
        "before_cursor_execute": on_statement,
        "commit": on_commit,
    }
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    try:
        action()
    finally:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)
    return tape


def limit(action: Callable[[], object], connect: Connect, seconds: float) -> float:
    """Return how often a second the database can run the SQL of `action`."""
    action()
    first, second = record(action), record(action)
    return plays_a_second(first, varying(first, second), connect, seconds)


def varying(first: Tape, second: Tape) -> set[str]:
    """Return the ids of the first run that differ in the second."""
    if len(first.steps) != len(second.steps):
        raise RuntimeError("Two like requests ran different SQL: nothing to compare with.")
    kept = _ids(second)
    return {each for each in _ids(first) if each not in kept}


def plays_a_second(tape: Tape, changing: set[str], connect: Connect, seconds: float) -> float:
    """Return how often a second THREADS connections complete the tape."""

    def player(_index: int) -> int:
        opened = connect()
        count, until = 0, time.perf_counter() + seconds
        try:
            while time.perf_counter() < until:
                _play(opened, tape, changing)
                count += 1
        finally:
            opened.close()
        return count

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(player, range(THREADS))) / seconds


def _play(opened: connection, tape: Tape, changing: set[str]) -> None:
    fresh = {each: str(new_id()) for each in changing}
    with opened.cursor() as cursor:
        for step in tape.steps:
            if step is None:
                opened.commit()
            else:
                cursor.execute(step[0], _renewed(step[1], fresh))
    opened.commit()


def _renewed(value: Any, fresh: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _renewed(each, fresh) for key, each in value.items()}
    if isinstance(value, list):
        return [_renewed(each, fresh) for each in value]
    if isinstance(value, UUID):
        return fresh.get(str(value), str(value))
    if isinstance(value, str):
        for old, new in fresh.items():
            if old in value:
                value = value.replace(old, new)
    return value


def _ids(tape: Tape) -> set[str]:
    return {each for step in tape.steps if step is not None for each in _ids_in(step[1])}


def _ids_in(value: Any) -> Iterator[str]:
    """Return the ids among a statement's parameters, and in the arrays among them."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _ids_in(each)
    elif _is_id(str(value)):
        yield str(value)


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
