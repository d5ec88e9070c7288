"""The only place that changes the status of an outgoing message, and that records the event of it.

`app/messages/status.py` decides which transitions exist. Each function here returns False and
changes nothing when the transition does not exist.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import Session

from app import config
from app.channels.providers.base import ProviderError
from app.common import clock
from app.events import catalogue
from app.events import service as events
from app.events.catalogue import EventType
from app.messages import receipts_repository, repository
from app.messages.receipts_repository import Progress
from app.messages.status import Step, transition
from app.metrics import service as metrics
from app.models import AttemptOutcome, Direction, Message, Status

REPORTED_EVENTS = {
    Status.ACCEPTED: EventType.MESSAGE_ACCEPTED,
    Status.SENT: EventType.MESSAGE_SENT,
    Status.DELIVERED: EventType.MESSAGE_DELIVERED,
    Status.READ: EventType.MESSAGE_READ,
    Status.FAILED: EventType.MESSAGE_FAILED,
}


GOES_BEFORE = frozenset({Status.QUEUED, Status.SENDING, Status.UNCERTAIN})
"""While a message has one of these, later messages of its conversation wait."""


def report(
    session: Session,
    message: Message,
    reported: Status,
    *,
    at: datetime | None = None,
    error: ProviderError | None = None,
) -> bool:
    """Move `message` up to a status that the provider reported at `at` (default: now)."""
    target = transition(Status(message.status), reported)
    if target is None:
        return False
    _move(session, message, target)
    message.retry_at = None
    message.error = error.to_json() if error else None
    _note_time(message, target, at or clock.now())
    more = {"error": message.error} if target is Status.FAILED else {}
    events.record_message(session, REPORTED_EVENTS[target], message, **more)
    return True


def advance(message: Progress, reported: Status, at: datetime) -> None:
    """Move `message` up to a status that the provider reported at that time, if that is higher.

    `report_group` writes the change.
    """
    target = transition(message.status, reported)
    if target is None:
        return
    message.let_go = message.let_go or _lets_go(message.status, target)
    message.status = target
    message.steps.append(target)
    _note_time(message, target, at)


def report_group(session: Session, messages: Sequence[Progress]) -> None:
    """Write, by one statement, the changes that `advance` made to many messages. The caller holds
    the rows."""
    moved = [message for message in messages if message.steps]
    if not moved:
        return
    steps = [_event_of(message, status) for message in moved for status in message.steps]
    receipts_repository.advance(session, moved, steps)
    for status, number in Counter(step for each in moved for step in each.steps).items():
        metrics.count_message(session, status, number)


def _event_of(message: Progress, status: Status) -> receipts_repository.StepEvent:
    payload = catalogue.message_payload(
        message.id, message.provider_message_id, status, Direction.OUTGOING
    )
    return receipts_repository.StepEvent(message.id, REPORTED_EVENTS[status], payload)


def _note_time(message: Message | Progress, target: Status, at: datetime) -> None:
    if target is Status.SENT:
        message.sent_at = at
    if target in {Status.DELIVERED, Status.READ}:
        message.sent_at = message.sent_at or at
        message.delivered_at = message.delivered_at or at
    if target is Status.READ:
        message.read_at = at


def _lets_go(status: str, target: Status) -> bool:
    """Return whether later messages of the conversation waited for this one, and no longer have
    to."""
    return status in GOES_BEFORE and target not in GOES_BEFORE


def accept_group(session: Session, accepted: Sequence[tuple[UUID, int, str]]) -> int:
    """Accept many messages by one statement: (message, number of the attempt, provider's id) each.

    The caller holds the rows and has checked that each transition exists. Returns how many messages
    that were held behind them were released.
    """
    if not accepted:
        return 0
    metrics.count_message(session, Status.ACCEPTED, len(accepted))
    metrics.count_attempt(session, AttemptOutcome.ACCEPTED, len(accepted))
    return repository.accept(session, accepted)


class Claimable(Protocol):
    """A queued message."""

    id: UUID
    status: str


def claim_group(session: Session, messages: Sequence[Claimable]) -> None:
    """Put queued messages in flight: one more attempt each, under a lease."""
    targets = {transition(Status(each.status), Step.CLAIM) for each in messages}
    if targets != {Status.SENDING}:
        raise AssertionError("only queued messages are claimed")
    lease = timedelta(seconds=config.current().claim_lease_seconds)
    repository.claim(session, [each.id for each in messages], lease)
    metrics.count_message(session, Status.SENDING, len(messages))


def refuse(session: Session, message: Message, error: ProviderError) -> bool:
    """Fail the message for good."""
    if not _step(session, message, Step.REFUSE):
        return False
    message.error = error.to_json()
    events.record_message(session, EventType.MESSAGE_FAILED, message, error=message.error)
    return True


def postpone(
    session: Session, message: Message, error: ProviderError, seconds: float | None
) -> bool:
    """Queue the message again after so many seconds, because the attempt was certainly not
    processed.

    None means as soon as its channel can send.
    """
    if not _step(session, message, Step.POSTPONE):
        return False
    message.error = error.to_json()
    if seconds is not None:
        message.retry_at = func.now() + timedelta(seconds=seconds)
    events.record_message(session, EventType.MESSAGE_POSTPONED, message, error=message.error)
    return True


def mark_uncertain(session: Session, message: Message, error: ProviderError) -> bool:
    """Mark the message as uncertain, because nobody knows whether it was sent. It waits for a
    receipt; then the provider's list is read."""
    if not _step(session, message, Step.MARK_UNCERTAIN):
        return False
    message.error = error.to_json()
    message.settle_reads = 0
    message.lease_until = func.now() + timedelta(seconds=config.current().settle_after_seconds)
    events.record_message(session, EventType.MESSAGE_MARKED_UNCERTAIN, message, error=message.error)
    return True


def resend(session: Session, message: Message, seconds: float = 0.0) -> bool:
    """Queue the message again, to be sent once more after so many seconds."""
    if not _step(session, message, Step.RESEND):
        return False
    message.retry_at = func.now() + timedelta(seconds=seconds) if seconds else None
    events.record_message(session, EventType.MESSAGE_REQUEUED, message)
    return True


def throttle(session: Session, message: Message, error: ProviderError, seconds: float) -> bool:
    """Queue a message again that the provider accepted but did not deliver, because too much was
    sent.

    Its next attempt gets an id of its own. Past `valid_until` the message does not wait for the
    pause.
    """
    if not _step(session, message, Step.THROTTLE):
        return False
    message.error = error.to_json()
    message.provider_message_id = None
    message.sent_at = None
    message.retry_at = func.least(func.now() + timedelta(seconds=seconds), message.valid_until)
    events.record_message(session, EventType.MESSAGE_POSTPONED, message, error=message.error)
    return True


def give_up(session: Session, message: Message, error: ProviderError) -> bool:
    """End the message as `unknown`; `error` says why."""
    if not _step(session, message, Step.GIVE_UP):
        return False
    message.error = error.to_json()
    events.record_message(session, EventType.MESSAGE_MARKED_UNKNOWN, message, error=message.error)
    return True


def write_off(session: Session, message: Message, error: ProviderError) -> bool:
    """Fail the message, because a person says that it did not arrive and is not to be sent
    again."""
    if not _step(session, message, Step.WRITE_OFF):
        return False
    message.error = error.to_json()
    events.record_message(session, EventType.MESSAGE_FAILED, message, error=message.error)
    return True


def cancel(session: Session, message: Message) -> bool:
    """Cancel a queued message."""
    if not _step(session, message, Step.CANCEL):
        return False
    events.record_message(session, EventType.MESSAGE_CANCELED, message)
    return True


def withdraw_automatic(session: Session, conversation_id: UUID) -> None:
    """Cancel what bots and keywords still have to say in a conversation, because a person answers
    there now. What is on its way to the provider is not sent again, should it come back."""
    for message in repository.lock_automatic(session, conversation_id):
        if not cancel(session, message):
            message.valid_until = func.now()


def _step(session: Session, message: Message, step: Step) -> bool:
    target = transition(Status(message.status), step)
    if target is None:
        return False
    _move(session, message, target)
    return True


def _move(session: Session, message: Message, target: Status) -> None:
    """Change the status. When the message no longer stands before others of its conversation,
    release the next one."""
    lets_go = _lets_go(message.status, target)
    message.status = target
    message.lease_until = None
    message.is_held = False
    if lets_go:
        repository.free_next(session, message.conversation_id)
