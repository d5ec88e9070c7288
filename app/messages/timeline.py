"""Every step that a message took, from what is kept as long as the message: its own times and its
attempts."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.messages import reading, repository
from app.models import Attempt, AttemptOutcome, Direction, Message, Status

Step = dict[str, Any]

STEP_OF_OUTCOME = {
    AttemptOutcome.STARTED: "attempt started",
    AttemptOutcome.ACCEPTED: "attempt accepted by the provider",
    AttemptOutcome.REFUSED: "attempt refused by the provider",
    AttemptOutcome.RETRY: "attempt not processed",
    AttemptOutcome.PAUSED: "attempt not processed, which was not the message's fault",
    AttemptOutcome.UNCERTAIN: "attempt without a clear answer",
}

ENDS = frozenset({Status.FAILED, Status.UNKNOWN, Status.CANCELED})
"""The status does not change any more, or only by a person's word."""


def timeline(session: Session, message_id: UUID) -> dict[str, Any]:
    """`{message, steps}`, the steps in the order of time. Raises MessageNotFound."""
    message = reading.get(session, message_id)
    steps = _steps_of_message(message)
    for attempt in repository.attempts_of(session, message_id):
        steps += _steps_of_attempt(attempt)
    return {"message": message, "steps": sorted(steps, key=_time_of)}


def _time_of(step: Step) -> datetime:
    at: datetime = step["at"]
    return at


def _steps_of_message(message: Message) -> list[Step]:
    first = "received" if message.direction == Direction.INCOMING else str(Status.QUEUED)
    times: dict[str, datetime | None] = {
        first: message.created_at,
        Status.SENT: message.sent_at,
        Status.DELIVERED: message.delivered_at,
        Status.READ: message.read_at,
    }
    if message.status in ENDS:
        times[message.status] = max(message.updated_at, message.created_at)
    return [
        {
            "at": at,
            "step": str(step),
            "message_sid": None if step == first else message.provider_message_id,
            "error": message.error if step == message.status else None,
        }
        for step, at in times.items()
        if at is not None
    ]


def _steps_of_attempt(attempt: Attempt) -> list[Step]:
    common = {"attempt": attempt.number, "message_sid": attempt.provider_message_id}
    started = STEP_OF_OUTCOME[AttemptOutcome.STARTED]
    steps: list[Step] = [{"at": attempt.created_at, "step": started, **common}]
    if attempt.finished_at is not None:
        outcome = STEP_OF_OUTCOME[AttemptOutcome(attempt.outcome)]
        steps.append({"at": attempt.finished_at, "step": outcome, "error": attempt.error, **common})
    return steps
