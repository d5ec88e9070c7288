"""The timeline of a message, built from data that is kept as long as the message: its own times and
its attempts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.messages import reading, repository
from app.models import Attempt, AttemptOutcome, Direction, Message, Status

STEP_OF_OUTCOME = {
    AttemptOutcome.STARTED: "attempt started",
    AttemptOutcome.ACCEPTED: "attempt accepted by the provider",
    AttemptOutcome.REFUSED: "attempt refused by the provider",
    AttemptOutcome.RETRY: "attempt not processed",
    AttemptOutcome.PAUSED: "attempt not processed, which was not the message's fault",
    AttemptOutcome.UNCERTAIN: "attempt without a clear answer",
}

ENDS = frozenset({Status.FAILED, Status.UNKNOWN, Status.CANCELED})
"""The status does not change any more, unless a person changes it."""


STEPS = (
    *(str(each) for each in (Status.RECEIVED, Status.QUEUED, Status.SENT, Status.DELIVERED)),
    *(str(each) for each in (Status.READ, *sorted(ENDS))),
    *STEP_OF_OUTCOME.values(),
)
"""Every step that a timeline may have."""


@dataclass(frozen=True)
class TimelineStep:
    """`message_sid` is the provider's id of the message; `error` has `code`, `cause`, `remedy`."""

    at: datetime
    step: str
    attempt: int | None = None
    message_sid: str | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True)
class Timeline:
    """A message and its steps, the oldest first."""

    message: Message
    steps: Sequence[TimelineStep]


def of_message(session: Session, message_id: UUID) -> Timeline:
    """Raises MessageNotFound."""
    message = reading.get(session, message_id)
    steps = _steps_of_message(message)
    for attempt in repository.attempts_of(session, message_id):
        steps += _steps_of_attempt(attempt)
    return Timeline(message, sorted(steps, key=attrgetter("at")))


def _steps_of_message(message: Message) -> list[TimelineStep]:
    first = str(Status.RECEIVED) if message.direction == Direction.INCOMING else str(Status.QUEUED)
    times: dict[str, datetime | None] = {
        first: message.created_at,
        Status.SENT: message.sent_at,
        Status.DELIVERED: message.delivered_at,
        Status.READ: message.read_at,
    }
    if message.status in ENDS:
        times[message.status] = max(message.updated_at, message.created_at)
    return [
        TimelineStep(
            at,
            str(step),
            message_sid=None if step == first else message.provider_message_id,
            error=message.error if step == message.status else None,
        )
        for step, at in times.items()
        if at is not None
    ]


def _steps_of_attempt(attempt: Attempt) -> list[TimelineStep]:
    step = partial(TimelineStep, attempt=attempt.number, message_sid=attempt.provider_message_id)
    steps = [step(attempt.created_at, STEP_OF_OUTCOME[AttemptOutcome.STARTED])]
    if attempt.finished_at is not None:
        outcome = STEP_OF_OUTCOME[AttemptOutcome(attempt.outcome)]
        steps.append(step(attempt.finished_at, outcome, error=attempt.error))
    return steps
