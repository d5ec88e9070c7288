"""Enqueuing a task by name after the commit, called ringing. A ring may be lost.

The scheduler queries for due work every second, so a lost ring delays the work by a second at most.
"""

import contextlib
import threading
import time
from typing import Any

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from app import db
from app.extensions import celery, redis_handle

log = structlog.get_logger(__name__)

REST_SECONDS = 3.0
SAME_RING_MS = 1000
"""One tick of the scheduler: for so long a lost ring suppresses the next ones."""


class Breaker:
    """Skips rings for some seconds after one failed, so that callers do not wait for the broker."""

    def __init__(self) -> None:
        self._closed_until = 0.0
        self._lock = threading.Lock()

    def is_open(self) -> bool:
        return time.monotonic() < self._closed_until

    def trip(self) -> None:
        with self._lock:
            self._closed_until = time.monotonic() + REST_SECONDS


breaker = Breaker()


def ring(session: Session, task: str, *ids: Any) -> None:
    """Enqueue `task` with these ids once the transaction is committed.

    Duplicate rings for the same work are dropped until the task calls `answered`. It does so before
    it reads the database, so that it sees what the dropped rings were for.
    """
    db.after_commit(session, lambda: ring_once(task, *ids))


def answered(task: str, *ids: Any) -> None:
    """Send rings for this work again."""
    with contextlib.suppress(RedisError):
        redis_handle.client.delete(_key(task, ids))


def unneeded(task: str, *ids: Any) -> None:
    """Suppress rings for this work for a second, because the worker checks for it again by
    itself."""
    with contextlib.suppress(RedisError):
        redis_handle.client.set(_key(task, ids), 1, px=SAME_RING_MS)


def ring_once(task: str, *ids: Any) -> None:
    """Enqueue `task` now, unless a ring for this work was sent within a second and not answered."""
    if breaker.is_open():
        return
    try:
        is_first = redis_handle.client.set(_key(task, ids), 1, nx=True, px=SAME_RING_MS)
    except RedisError as error:
        _give_up(task, error)
        return
    if is_first:
        send(task, *ids)


def _key(task: str, ids: tuple[Any, ...]) -> str:
    return f"ring:{task}:{':'.join(map(str, ids))}"


def send(task: str, *ids: Any, countdown: float = 0.0) -> None:
    """Enqueue `task`, to run in `countdown` seconds. While the broker is away, log it: the
    scheduler finds the work later."""
    if breaker.is_open():
        return
    try:
        arguments = [str(each) for each in ids]
        celery.send_task(task, args=arguments, retry=False, countdown=countdown or None)
    except (OperationalError, RedisError, OSError) as error:
        _give_up(task, error)


def _give_up(task: str, error: Exception) -> None:
    breaker.trip()
    log.warning("ring_failed", task=task, error=type(error).__name__)
