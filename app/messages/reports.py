"""Applying a provider's reports about a message. They only move its status up.

There is one exception: the provider accepted an attempt and then did not deliver it, because too
much was sent at once. The message is queued again after a pause, a limited number of times. From
then on, reports about that attempt count only if they prove delivery.
"""

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import func
from sqlalchemy.orm import Session

from app import db
from app.channels.providers.base import ProviderError, StatusReceipt
from app.common import clock
from app.contacts import service as contacts
from app.conversations import service as conversations
from app.messages import attempt_token, lifecycle, repository
from app.messages.attempt_token import AttemptRef
from app.models import Attempt, AttemptOutcome, Message, Policy, Status

log = structlog.get_logger(__name__)

PROOF = frozenset({Status.DELIVERED, Status.READ})

MOST_THROTTLED = 10
FIRST_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 3600.0
"""The pauses are 30, 60, 120 … s before a throttled message is sent again: about four hours in
total."""


def apply_receipt(
    session: Session, channel_id: UUID, receipt: StatusReceipt, at: datetime
) -> str | None:
    """Apply a status receipt; return the reason if it was ignored, else None.

    The message is found by the token of its attempt, even before the provider's answer to the send
    has arrived; otherwise by the provider's id.
    """
    ref = attempt_token.read(db.tenant_of(session), receipt.token)
    if receipt.error is not None and receipt.error.closes_window:
        _close_window(session, channel_id, receipt, ref)
    message = _find(session, channel_id, receipt, ref, lock=True)
    if message is None:
        return "no message of ours has this id"
    return apply_news(session, message, receipt, _attempt_of(session, message, receipt, ref), at)


def apply_news(
    session: Session,
    message: Message,
    news: StatusReceipt,
    attempt: Attempt | None,
    at: datetime,
) -> str | None:
    """Apply a report about an attempt; return the reason if it was ignored, else None.

    The caller holds the message. `attempt` is None when it is unknown or does not matter.
    """
    if attempt is not None and was_throttled(attempt) and news.status not in PROOF:
        return "this attempt was throttled, and the message is sent again"
    _bind(message, news, attempt)
    if aliases := [each for each in news.aliases if each.value != message.to_number]:
        contacts.learn(session, message.contact_id, aliases)
    is_failure = news.status is Status.FAILED
    if is_failure and attempt is not None and attempt.number < message.attempts:
        return "an earlier attempt failed, and a later one is in progress"
    if not (is_failure and _send_later(session, message, attempt, news.error)):
        lifecycle.report(session, message, news.status, at=at, error=news.error)
    return None


def was_throttled(attempt: Attempt) -> bool:
    """Return whether the provider accepted this attempt and then did not deliver it because of the
    pace."""
    return attempt.outcome == AttemptOutcome.RETRY and attempt.provider_message_id is not None


def _send_later(
    session: Session, message: Message, attempt: Attempt | None, error: ProviderError | None
) -> bool:
    """Queue a throttled message again; return False when its failure is final."""
    if error is None or not error.throttled or attempt is None:
        return False
    if message.policy == Policy.AT_MOST_ONCE or not _is_valid(message):
        return False
    if message.provider_message_id != attempt.provider_message_id:
        # Another attempt of it was sent.
        return False
    times = repository.count_throttled(session, message.id)
    if times >= MOST_THROTTLED:
        return False
    seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**times)
    if not lifecycle.throttle(session, message, error, seconds):
        return False
    attempt.outcome = AttemptOutcome.RETRY
    attempt.error = error.to_json()
    attempt.finished_at = func.now()
    return True


def _is_valid(message: Message) -> bool:
    return message.valid_until is None or clock.now() < message.valid_until


def _close_window(
    session: Session, channel_id: UUID, receipt: StatusReceipt, ref: AttemptRef | None
) -> None:
    """Record that the window is closed. Conversations are locked before messages.

    The refusal is dated by its call, so a later message of the customer wins.
    """
    message = _find(session, channel_id, receipt, ref, lock=False)
    if message is not None:
        number = message.attempts if ref is None else ref.attempt
        attempt = repository.attempt(session, message.id, number)
        called_at = message.created_at if attempt is None else attempt.created_at
        conversations.close_window(session, message.conversation_id, called_at)


def _find(
    session: Session,
    channel_id: UUID,
    receipt: StatusReceipt,
    ref: AttemptRef | None,
    *,
    lock: bool,
) -> Message | None:
    get = repository.lock if lock else repository.get
    tenant_id = db.tenant_of(session)
    if ref is not None:
        found = get(session, tenant_id, ref.message_id)
        if found is not None and found.channel_id == channel_id:
            return found
    provider_id = receipt.provider_message_id
    found = repository.by_provider_id(session, channel_id, provider_id, lock=lock)
    if found is None:
        other = repository.by_attempt(session, channel_id, provider_id)
        found = get(session, tenant_id, other) if other is not None else None
    return found


def _attempt_of(
    session: Session, message: Message, receipt: StatusReceipt, ref: AttemptRef | None
) -> Attempt | None:
    """Return the attempt of a receipt, or None if the receipt would change nothing."""
    is_bound = message.provider_message_id == receipt.provider_message_id
    if is_bound and message.sent_at is not None and receipt.status is not Status.FAILED:
        # An earlier receipt has linked message and attempt.
        return None
    if ref is not None:
        return repository.attempt(session, message.id, ref.attempt)
    return repository.attempt_with_id(session, message.id, receipt.provider_message_id)


def _bind(message: Message, news: StatusReceipt, attempt: Attempt | None) -> None:
    """Store the provider's id on the message and on its attempt."""
    if message.provider_message_id is None:
        message.provider_message_id = news.provider_message_id
    if attempt is None:
        return
    if attempt.provider_message_id is None or news.status in PROOF:
        attempt.provider_message_id = news.provider_message_id
        attempt.outcome = AttemptOutcome.ACCEPTED
    if message.provider_message_id != news.provider_message_id:
        log.warning("second_delivery", message_id=str(message.id), attempt=attempt.number)
