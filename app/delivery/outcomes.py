"""Applies the provider's answers to the state of our messages."""

import random
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import Session

from app import db
from app.channels import service as channels
from app.channels.providers.base import (
    Accepted,
    Fault,
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
from app.messages import lifecycle, reports
from app.messages import service as messages
from app.models import Attempt, AttemptOutcome, Message, Status

Result = tuple[Claim, SendOutcome]

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 300.0
MOST_ATTEMPTS = 20

OUT_OF_ATTEMPTS = "After {count} attempts that were not processed we gave up."


def record(tenant_id: UUID, channel_id: UUID, results: Sequence[Result]) -> bool:
    """Record a group of answers in one transaction; return whether other messages may have become
    due."""
    usual: list[tuple[UUID, int, str]] = []
    others: list[Result] = []
    with db.tenant_session(tenant_id) as session:
        _close_windows(session, results)
        standing = repository.lock_standing(session, [claim.message_id for claim, _ in results])
        for claim, outcome in results:
            if isinstance(outcome, Accepted) and _is_untouched(standing, claim):
                usual.append((claim.message_id, claim.attempt, outcome.provider_message_id))
            else:
                others.append((claim, outcome))
        freed = lifecycle.accept_group(session, usual)
        _apply_each(session, others)
        _note_trouble(session, channel_id, results)
    if any(isinstance(outcome, NotProcessed) and outcome.throttled for _, outcome in results):
        pacing.slow_down(channel_id)
    return bool(freed or others)


def _note_trouble(session: Session, channel_id: UUID, results: Sequence[Result]) -> None:
    """Pause the channel when the provider refuses everything from it; resume it after a good
    trial."""
    for claim, outcome in results:
        if isinstance(outcome, NotProcessed) and outcome.fault is Fault.CHANNEL:
            channels.pause(session, channel_id, outcome.error, outcome.retry_after or 0.0)
            return
        if claim.is_trial and isinstance(outcome, Accepted | Refused):
            channels.resume(session, channel_id)


def _close_windows(session: Session, results: Sequence[Result]) -> None:
    """Record that the window is closed. Conversations are locked before messages, in the order of
    their ids."""
    shut = [
        claim
        for claim, outcome in results
        if isinstance(outcome, Refused) and outcome.error.closes_window
    ]
    for claim in sorted(shut, key=lambda each: each.conversation_id):
        attempt = messages.attempt(session, claim.message_id, claim.attempt)
        if attempt is not None:
            conversations.close_window(session, claim.conversation_id, attempt.created_at)


def _is_untouched(standing: Standing, claim: Claim) -> bool:
    """Return whether the message has not changed since it was claimed, so that a plain update
    suffices."""
    row = standing.get(claim.message_id)
    return (
        row is not None
        and not claim.is_test
        and row.attempts == claim.attempt
        and row.provider_message_id is None
        and row.status == Status.SENDING
    )


def _apply_each(session: Session, results: Sequence[Result]) -> None:
    for claim, outcome in results:
        message = messages.lock(session, claim.message_id)
        attempt = messages.attempt(session, claim.message_id, claim.attempt)
        if message is not None and attempt is not None:
            apply(session, message, attempt, outcome)


def apply(session: Session, message: Message, attempt: Attempt, outcome: SendOutcome) -> None:
    """Apply one answer. An answer that arrives after its claim was given up only adds facts."""
    if reports.was_throttled(attempt):
        # The receipt came before the answer, and said more.
        return
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
            lifecycle.refuse(session, message, outcome.error)
    elif isinstance(outcome, NotProcessed):
        by_message = outcome.fault is Fault.MESSAGE
        attempt.outcome = AttemptOutcome.RETRY if by_message else AttemptOutcome.PAUSED
        if is_current:
            postponed(session, message, outcome)
    elif isinstance(outcome, Uncertain):
        attempt.outcome = AttemptOutcome.UNCERTAIN
        if is_current:
            lifecycle.mark_uncertain(session, message, outcome.error)


def accepted(session: Session, message: Message, provider_message_id: str) -> None:
    """The provider accepted the message under this id. A receipt that came before stands."""
    if message.provider_message_id is None:
        message.provider_message_id = provider_message_id
    lifecycle.report(session, message, Status.ACCEPTED)
    if message.is_test:
        # A test key reaches no phone: its messages count as delivered at once.
        lifecycle.report(session, message, Status.SENT)
        lifecycle.report(session, message, Status.DELIVERED)


def postponed(session: Session, message: Message, outcome: NotProcessed) -> None:
    """Try the message again: when the channel can send, or after a growing pause of its own."""
    if outcome.fault is not Fault.MESSAGE:
        lifecycle.postpone(session, message, outcome.error, None)
        return
    tries = repository.count_attempts(session, message.id, AttemptOutcome.RETRY)
    if tries >= MOST_ATTEMPTS:
        cause = f"{OUT_OF_ATTEMPTS.format(count=tries)} {outcome.error.cause}"
        lifecycle.refuse(session, message, ProviderError("gave_up", cause, outcome.error.remedy))
        return
    seconds = max(backoff_seconds(tries), outcome.retry_after or 0.0)
    lifecycle.postpone(session, message, outcome.error, seconds)


def backoff_seconds(tries: int) -> float:
    """Return 1, 2, 4 … 300 s, each ± 50 %, so that many messages do not retry at the same
    moment."""
    base = min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** (tries - 1))
    return base * random.uniform(0.5, 1.5)  # noqa: S311 - jitter, no secret
