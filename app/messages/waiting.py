"""`use_queue: false`: waiting for the provider's answer by polling the row.

A request that waits occupies a thread of the web service and nothing else. So only a few may wait
at once, no request waits for a message that cannot be sent in time, and waiting never turns a
stored message into a failure.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import config, db
from app.messages import repository
from app.messages.status import SETTLED
from app.models import Message

log = structlog.get_logger(__name__)

LONGEST_SECONDS = 8.0
LOOK_EVERY_SECONDS = (0.05, 0.05, 0.1, 0.1, 0.2)
"""Seconds between polls; the last one repeats."""


@dataclass(frozen=True)
class SendResult:
    """The answer to a send."""

    message_id: UUID
    message_sid: str | None
    status: str
    error: dict[str, Any] | None

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(message.id, message.provider_message_id, message.status, message.error)


@dataclass(frozen=True)
class Seen:
    """A polled message. `is_moving`: its status may change before the wait is over."""

    queued: SendResult
    is_moving: bool


class WaitingSlots:
    """The requests that wait in this process: at most a quarter of its threads, and half of those
    for one tenant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[UUID] = Counter()

    def take(self, tenant_id: UUID) -> bool:
        """Take a place if one is free; the caller must give it back."""
        most = max(1, config.current().web_threads // 4)
        with self._lock:
            if self._taken.total() >= most or self._taken[tenant_id] >= max(1, most // 2):
                return False
            self._taken[tenant_id] += 1
            return True

    def give_back(self, tenant_id: UUID) -> None:
        with self._lock:
            self._taken[tenant_id] -= 1
            if not self._taken[tenant_id]:
                del self._taken[tenant_id]


places = WaitingSlots()


@contextmanager
def slot(session: Session, queued: SendResult) -> Iterator[bool]:
    """Return whether the caller may wait during the block.

    False when too many wait already, or when the message cannot be sent within the wait.
    """
    tenant_id = db.tenant_of(session)
    if not places.take(tenant_id):
        yield False
        return
    try:
        yield _look(session, queued, LONGEST_SECONDS).is_moving
    finally:
        places.give_back(tenant_id)


def wait_for_word(tenant_id: UUID, queued: SendResult) -> SendResult:
    """Return the message once the provider has answered, or as it was last seen.

    Stops waiting after 8 seconds, when it cannot be sent soon, or when the database is away.
    """
    until = time.monotonic() + LONGEST_SECONDS
    looks = iter(LOOK_EVERY_SECONDS)
    pause = LOOK_EVERY_SECONDS[-1]
    seen = Seen(queued, is_moving=True)
    while seen.is_moving and (left := until - time.monotonic()) > 0:
        time.sleep(next(looks, pause))
        try:
            with db.tenant_session(tenant_id) as session:
                seen = _look(session, seen.queued, left)
        except db.UNAVAILABLE as error:
            log.warning("stopped_waiting", error=type(error).__name__)
            break
    return seen.queued


def _look(session: Session, queued: SendResult, seconds: float) -> Seen:
    found = repository.watched(session, queued.message_id, timedelta(seconds=seconds))
    if found is None:
        return Seen(queued, is_moving=False)
    is_settled = found.Message.status in SETTLED
    return Seen(SendResult.of(found.Message), found.may_move and not is_settled)
