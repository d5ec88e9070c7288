"""What a provider reports of a message, applied upwards only."""

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import db
from app.channels.providers.base import StatusReceipt
from app.contacts import service as contacts
from app.conversations import service as conversations
from app.messages import callback, lifecycle, repository
from app.messages.callback import AttemptRef
from app.models import Attempt, AttemptOutcome, Message, Status

log = structlog.get_logger(__name__)


def apply_receipt(
    session: Session, channel_id: UUID, receipt: StatusReceipt, at: datetime
) -> str | None:
    """Apply a status receipt; answers why it was ignored, or None when it was not.

    The message is found by what we signed into the callback URL, also before the provider's
    answer to the send has reached us; else by the provider's id.
    """
    ref = callback.read(db.tenant_of(session), receipt.callback)
    message = _find(session, channel_id, receipt, ref)
    if message is None:
        return "no message of ours has this id"
    _bind(session, message, receipt, ref)
    if news := [each for each in receipt.aliases if each.value != message.to_number]:
        contacts.learn(session, message.contact_id, news)
    if receipt.status is Status.FAILED and ref is not None and ref.attempt < message.attempts:
        return "an earlier attempt failed; a later one is under way"
    if receipt.error is not None and receipt.error.closes_window:
        # The refusal speaks of the moment of the send: a later answer of the customer wins.
        conversations.shut_window(session, message.conversation_id, message.created_at)
    lifecycle.report(session, message, receipt.status, at=at, error=receipt.error)
    return None


def _find(
    session: Session, channel_id: UUID, receipt: StatusReceipt, ref: AttemptRef | None
) -> Message | None:
    tenant_id = db.tenant_of(session)
    if ref is not None:
        found = repository.lock(session, tenant_id, ref.message_id)
        if found is not None and found.channel_id == channel_id:
            return found
    found = repository.lock_by_provider_id(session, channel_id, receipt.provider_message_id)
    if found is None:
        other = repository.by_attempt(session, channel_id, receipt.provider_message_id)
        found = repository.lock(session, tenant_id, other) if other is not None else None
    return found


def _bind(
    session: Session, message: Message, receipt: StatusReceipt, ref: AttemptRef | None
) -> None:
    """Keep the provider's id, on the message and on the attempt that it belongs to."""
    if message.provider_message_id == receipt.provider_message_id and message.sent_at is not None:
        # An earlier receipt has bound both.
        return
    if message.provider_message_id is None:
        message.provider_message_id = receipt.provider_message_id
    if ref is None:
        return
    attempt: Attempt | None = repository.attempt(session, message.id, ref.attempt)
    if attempt is not None and attempt.provider_message_id is None:
        attempt.provider_message_id = receipt.provider_message_id
        attempt.outcome = AttemptOutcome.ACCEPTED
    if message.provider_message_id != receipt.provider_message_id:
        log.warning("second_delivery", message_id=str(message.id), attempt=ref.attempt)
