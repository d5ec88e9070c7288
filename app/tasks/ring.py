"""Ringing the doorbell: enqueue by name after the commit, and never mind if it is lost.

The beat looks for due work each second, so a ring that fails costs a second and nothing else.
"""

import threading
import time
from typing import Any

import structlog
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from app import db
from app.extensions import celery

log = structlog.get_logger(__name__)

REST_SECONDS = 3.0


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
    """Wake `task` with these ids once the transaction is durable."""
    db.after_commit(session, lambda: send(task, *ids))


def send(task: str, *ids: Any) -> None:
    """Enqueue now; a broker that is away is logged and left to the beat."""
    if breaker.is_open():
        return
    try:
        celery.send_task(task, args=[str(each) for each in ids], retry=False)
    except (OperationalError, RedisError, OSError) as error:
        breaker.trip()
        log.warning("ring_failed", task=task, error=type(error).__name__)
