"""`use_queue: false`: watching the row for the provider's word, with nothing else held."""

import time
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from app import db
from app.messages import repository
from app.messages.status import SETTLED
from app.models import Message

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


def wait_for_word(tenant_id: UUID, queued: Queued) -> Queued:
    """The message as it is once the provider spoke, or after 8 seconds."""
    until = time.monotonic() + LONGEST_SECONDS
    looks = iter(LOOK_EVERY_SECONDS)
    pause = LOOK_EVERY_SECONDS[-1]
    while queued.status not in SETTLED and time.monotonic() < until:
        time.sleep(next(looks, pause))
        with db.tenant_session(tenant_id) as session:
            message = repository.get(session, tenant_id, queued.message_id)
            if message is None:
                break
            queued = Queued.of(message)
    return queued
