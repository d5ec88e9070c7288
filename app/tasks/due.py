"""How the scheduler finds due work: one query for each kind, and the tasks to enqueue for its rows.

Each feature that has background work lists its kinds in its own `due.py`.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy import Row, TextClause

from app import db
from app.common import leases
from app.extensions import redis_handle
from app.tasks.drain import name_of
from app.tasks.queues import QUEUE_OF
from app.tasks.ring import send

log = structlog.get_logger(__name__)

Ring = tuple[Any, ...]
"""A task and its ids."""

FIRST = UUID(int=0)

MOST_WAITING = 5_000
"""The scheduler adds no task to a queue that holds this many. Without the limit, it would enqueue
the same subjects every second while the workers are away."""


@dataclass(frozen=True)
class DueWork:
    """One kind of due work.

    `query` returns at most `:most` rows in the order of its `key` columns, starting after
    `:after_<column>`; it runs as recado_system. `rings` returns the tasks to enqueue for a row.
    """

    name: str
    query: TextClause
    key: tuple[str, ...]
    rings: Callable[[Row[Any]], Iterable[Ring]]
    most: int = 1000
    parameters: Callable[[], Mapping[str, Any]] = dict


def ring_all(kinds: Sequence[DueWork]) -> None:
    """Enqueue tasks for the due work of all tenants.

    When a kind has more rows than one query returns, the next run continues after the last of them,
    so that rows that stay due forever do not keep others waiting.
    """
    for kind in kinds:
        rings = {name_of(*ring): ring for ring in _look(kind)}
        # The worker that drains a subject checks again by itself, and another task would do
        # nothing.
        free = rings.keys() - leases.held(list(rings))
        backlogs = {rings[name][0]: _backlog(rings[name][0]) for name in free}
        for name in free:
            if backlogs[rings[name][0]] < MOST_WAITING:
                send(*rings[name])


def _backlog(task: str) -> int:
    """Return how many tasks wait in the queue of this task."""
    try:
        waiting: Any = redis_handle.client.llen(str(QUEUE_OF[task]))
        return int(waiting)
    except RedisError:
        return 0


def _look(kind: DueWork) -> list[Ring]:
    given = dict(zip(kind.key, _last_seen(kind), strict=True))
    after = {f"after_{column}": value for column, value in given.items()}
    with db.system_session() as session:
        rows = session.execute(kind.query, {"most": kind.most, **after, **kind.parameters()}).all()
    _remember(kind, rows[-1] if len(rows) == kind.most else None)
    return [ring for row in rows for ring in kind.rings(row)]


def _last_seen(kind: DueWork) -> list[UUID]:
    try:
        kept: Any = redis_handle.client.get(_key(kind))
        return [UUID(each) for each in json.loads(kept)] if kept else [FIRST] * len(kind.key)
    except RedisError as error:
        log.warning("scheduler_starts_over", error=type(error).__name__)
        return [FIRST] * len(kind.key)


def _remember(kind: DueWork, last: Row[Any] | None) -> None:
    try:
        if last is None:
            redis_handle.client.delete(_key(kind))
        else:
            seen = json.dumps([str(getattr(last, column)) for column in kind.key])
            redis_handle.client.set(_key(kind), seen)
    except RedisError as error:
        log.warning("scheduler_starts_over", error=type(error).__name__)


def _key(kind: DueWork) -> str:
    return f"scheduler:{kind.name}"
