"""Ringing the doorbell: enqueue by name after the commit, and never mind if it is lost.

The beat looks for due work each second, so a ring that fails costs a second and nothing else.
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
"""As long as the beat's tick: a ring that was lost holds back the next one for no longer."""


class Breaker:
    """After a failed ring, spares the next callers the wait for a broker that is away."""

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
    """Wake `task` with these ids once the transaction is durable.

    Of many rings for the same work one is enough, until somebody answers it: the task calls
    `answered` before the look at the database that must see what the unsent rings were for.
    """
    db.after_commit(session, lambda: ring_once(task, *ids))


def answered(task: str, *ids: Any) -> None:
    """From now on a ring for this work is sent again."""
    with contextlib.suppress(RedisError):
        redis_handle.client.delete(_key(task, ids))


def unneeded(task: str, *ids: Any) -> None:
    """For a second no ring for this work is sent: whoever says so goes on looking."""
    with contextlib.suppress(RedisError):
        redis_handle.client.set(_key(task, ids), 1, px=SAME_RING_MS)


def ring_once(task: str, *ids: Any) -> None:
    """Ring now, unless somebody did within a second and nobody has answered it."""
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


def send(task: str, *ids: Any) -> None:
    """Enqueue now; a broker that is away is logged and left to the beat."""
    if breaker.is_open():
        return
    try:
        celery.send_task(task, args=[str(each) for each in ids], retry=False)
    except (OperationalError, RedisError, OSError) as error:
        _give_up(task, error)


def _give_up(task: str, error: Exception) -> None:
    breaker.trip()
    log.warning("ring_failed", task=task, error=type(error).__name__)
