"""What the provider said of our attempts becomes the state of our messages."""

import random
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import Session

from app import db
from app.channels.providers.base import (
    Accepted,
    NotProcessed,
    ProviderError,
    Refused,
    SendOutcome,
    Uncertain,
)
from app.conversations import service as conversations
from app.delivery import pacing, repository
from app.delivery.claims import Claim
from app.delivery.repository import Standing
from app.messages import lifecycle
from app.messages import service as messages
from app.messages.status import transition
from app.models import Attempt, AttemptOutcome, Message, Status

Result = tuple[Claim, SendOutcome]

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 300.0
MOST_ATTEMPTS = 20

OUT_OF_ATTEMPTS = "After {count} attempts that were not processed we gave up."


def record(tenant_id: UUID, channel_id: UUID, results: Sequence[Result]) -> None:
    """One transaction for a group of answers."""
    usual: list[tuple[UUID, int, str]] = []
    others: list[Result] = []
    with db.tenant_session(tenant_id) as session:
        standing = repository.lock_standing(session, [claim.message_id for claim, _ in results])
        for claim, outcome in results:
            if isinstance(outcome, Accepted) and _is_untouched(standing, claim):
                usual.append((claim.message_id, claim.attempt, outcome.provider_message_id))
            else:
                others.append((claim, outcome))
        lifecycle.accept_group(session, usual)
        _apply_each(session, others)
    if any(isinstance(outcome, NotProcessed) and outcome.throttled for _, outcome in results):
        pacing.slow_down(channel_id)


def _is_untouched(standing: Standing, claim: Claim) -> bool:
    """Nothing happened to the message since it was claimed that asks for more than an update."""
    row = standing.get(claim.message_id)
    return (
        row is not None
        and not claim.is_test
        and row.attempts == claim.attempt
        and row.provider_message_id is None
        and transition(Status(row.status), Status.ACCEPTED) is Status.ACCEPTED
    )


def _apply_each(session: Session, results: Sequence[Result]) -> None:
    for claim, outcome in results:
        message = messages.lock(session, claim.message_id)
        attempt = messages.attempt(session, claim.message_id, claim.attempt)
        if message is not None and attempt is not None:
            apply(session, message, attempt, outcome)


def apply(session: Session, message: Message, attempt: Attempt, outcome: SendOutcome) -> None:
    """Move one message on. An answer that comes after its claim was given up only adds facts."""
    attempt.finished_at = func.now()
    if isinstance(outcome, Accepted):
        attempt.outcome = AttemptOutcome.ACCEPTED
        attempt.provider_message_id = outcome.provider_message_id
        accepted(session, message, outcome.provider_message_id)
        return
    attempt.error = outcome.error.to_json()
    is_current = message.attempts == attempt.number and message.status == Status.SENDING
    if isinstance(outcome, Refused):
        attempt.outcome = AttemptOutcome.REFUSED
        if is_current:
            refused(session, message, attempt, outcome.error)
    elif isinstance(outcome, NotProcessed):
        attempt.outcome = AttemptOutcome.RETRY
        if is_current:
            postponed(session, message, outcome)
    elif isinstance(outcome, Uncertain):
        attempt.outcome = AttemptOutcome.UNCERTAIN
        if is_current:
            lifecycle.doubt(session, message, outcome.error)


def accepted(session: Session, message: Message, provider_message_id: str) -> None:
    """The provider has it under this id. A receipt may have been faster; it stands."""
    if message.provider_message_id is None:
        message.provider_message_id = provider_message_id
    lifecycle.report(session, message, Status.ACCEPTED)
    if message.is_test:
        # A test key reaches no phone: its messages are delivered to nobody, at once.
        lifecycle.report(session, message, Status.SENT)
        lifecycle.report(session, message, Status.DELIVERED)


def refused(session: Session, message: Message, attempt: Attempt, error: ProviderError) -> None:
    if error.closes_window:
        conversations.shut_window(session, message.conversation_id, attempt.created_at)
    lifecycle.refuse(session, message, error)


def postponed(session: Session, message: Message, outcome: NotProcessed) -> None:
    """Surely not processed: again later, with jittered back-off or when the provider said."""
    if message.attempts >= MOST_ATTEMPTS:
        cause = f"{OUT_OF_ATTEMPTS.format(count=message.attempts)} {outcome.error.cause}"
        lifecycle.refuse(session, message, ProviderError("gave_up", cause, outcome.error.remedy))
        return
    seconds = max(backoff_seconds(message.attempts), outcome.retry_after or 0.0)
    lifecycle.postpone(session, message, outcome.error, seconds)


def backoff_seconds(attempts: int) -> float:
    """1, 2, 4 … 300 s, each ± 50 %, so that a crowd does not come back at once."""
    base = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** (attempts - 1))
    return base * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, no secret
