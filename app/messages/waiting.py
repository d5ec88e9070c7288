"""`use_queue: false`: watching the row for the provider's word.

Whoever waits holds a thread of the web service and nothing else. So few may wait at once, nobody
waits for a message that cannot leave meanwhile, and a wait never turns a stored message into a
failure.
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
"""The first waits; the last of them repeats."""


@dataclass(frozen=True)
class Queued:
    """What a send answers."""

    message_id: UUID
    message_sid: str | None
    status: str
    error: dict[str, Any] | None

    @classmethod
    def of(cls, message: Message) -> Self:
        return cls(message.id, message.provider_message_id, message.status, message.error)


@dataclass(frozen=True)
class Seen:
    """A message at one look; `is_moving`: something may happen to it before the wait is over."""

    queued: Queued
    is_moving: bool


class Places:
    """Who waits in this process: at most a quarter of its threads, half of those for one tenant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[UUID] = Counter()

    def take(self, tenant_id: UUID) -> bool:
        """Take a slot, if one is free; it must be given back."""
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


places = Places()


@contextmanager
def slot(session: Session, queued: Queued) -> Iterator[bool]:
    """Whether the caller may wait during the block.

    False when too many wait already, or when the message cannot leave within the wait.
    """
    tenant_id = db.tenant_of(session)
    if not places.take(tenant_id):
        yield False
        return
    try:
        yield _look(session, queued, LONGEST_SECONDS).is_moving
    finally:
        places.give_back(tenant_id)


def wait_for_word(tenant_id: UUID, queued: Queued) -> Queued:
    """The message as it is once the provider spoke, or as it was last seen.

    The second after 8 seconds, when it cannot leave soon, or when the database cannot be asked.
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


def _look(session: Session, queued: Queued, seconds: float) -> Seen:
    found = repository.watched(session, queued.message_id, timedelta(seconds=seconds))
    if found is None:
        return Seen(queued, is_moving=False)
    is_settled = found.Message.status in SETTLED
    return Seen(Queued.of(found.Message), found.may_move and not is_settled)
