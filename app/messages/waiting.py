"""`use_queue: false`: waiting for the provider's answer by polling the row.

Only a few requests may wait at once (`app/common/slots.py`), no request waits for a message that
cannot be sent in time, and waiting never turns a stored message into a failure.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import db
from app.common.slots import places
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
