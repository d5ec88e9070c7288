"""Every step that a message took: from its events and attempts, and when its events are gone, from
the times that it carries itself."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.messages import reading, repository
from app.models import Attempt, Direction, Event, Message, Status

Step = dict[str, Any]

STEP_OF_OUTCOME = {
    "started": "attempt started",
    "accepted": "attempt accepted by the provider",
    "refused": "attempt refused by the provider",
    "retry": "attempt not processed",
    "paused": "attempt not processed, which was not the message's fault",
    "uncertain": "attempt without a clear answer",
}


def timeline(session: Session, message_id: UUID) -> dict[str, Any]:
    """`{message, steps}`, the steps in the order of time. Raises MessageNotFound."""
    message = reading.get(session, message_id)
    steps = [_step_of_event(each) for each in repository.events_of(session, message_id)]
    known = {step["step"] for step in steps}
    first = "received" if message.direction == Direction.INCOMING else "queued"
    if first not in known:
        # Events are kept for a shorter time than messages, and the oldest went first.
        steps += [step for step in _steps_of_message(message, first) if step["step"] not in known]
    for attempt in repository.attempts_of(session, message_id):
        steps += _steps_of_attempt(attempt)
    return {"message": message, "steps": sorted(steps, key=_time_of)}


def _time_of(step: Step) -> datetime:
    at: datetime = step["at"]
    return at


def _step_of_event(event: Event) -> Step:
    return {
        "at": event.created_at,
        "step": event.type.removeprefix("message."),
        "message_sid": event.data.get("message_sid"),
        "error": event.data.get("error"),
    }


def _steps_of_message(message: Message, first: str) -> list[Step]:
    """What the message itself still knows of its life."""
    times: dict[str, datetime | None] = {
        first: message.created_at,
        Status.SENT: message.sent_at,
        Status.DELIVERED: message.delivered_at,
        Status.READ: message.read_at,
    }
    if message.status in {Status.FAILED, Status.UNKNOWN, Status.CANCELED}:
        # Nothing of it changes any more once it has one of these.
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
    steps: list[Step] = [{"at": attempt.created_at, "step": STEP_OF_OUTCOME["started"], **common}]
    if attempt.finished_at is not None:
        steps.append(
            {
                "at": attempt.finished_at,
                "step": STEP_OF_OUTCOME[attempt.outcome],
                "error": attempt.error,
                **common,
            }
        )
    return steps
