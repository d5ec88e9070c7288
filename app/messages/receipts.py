"""Applying many receipts at once: the usual ones together, by few statements.

A receipt is usual if it reports progress of a message's current attempt and nothing else has to be
looked up. All others (a failure, an earlier attempt, another address of the person, a message that
a person settled) are left to `app/messages/reports.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app import db
from app.channels.providers.base import StatusReceipt
from app.messages import attempt_token, lifecycle, receipts_repository
from app.messages.attempt_token import AttemptRef
from app.messages.receipts_repository import Progress
from app.metrics import service as metrics
from app.models import AttemptOutcome, Status

USUAL_NEWS = frozenset({Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ})
USUAL_STATUSES = USUAL_NEWS | {Status.SENDING, Status.UNCERTAIN}


@dataclass(frozen=True)
class ReceivedReceipt:
    """A receipt of a channel's provider, and when we received it (`at`)."""

    channel_id: UUID
    receipt: StatusReceipt
    at: datetime


def apply_group(session: Session, told: Sequence[ReceivedReceipt]) -> list[bool]:
    """Apply the usual receipts among these, in order; return for each whether it was applied.

    Does not wait for locks: receipts of a message that another transaction has locked are left,
    too.
    """
    tenant_id = db.tenant_of(session)
    refs = [attempt_token.read(tenant_id, each.receipt.token) for each in told]
    messages = receipts_repository.lock(session, sorted({ref.message_id for ref in refs if ref}))
    left: set[UUID] = set()
    nameless: set[UUID] = set()
    bound: list[tuple[UUID, int, str]] = []
    done = [False] * len(told)
    for place, (each, ref) in enumerate(zip(told, refs, strict=True)):
        if ref is None:
            # It may be of any message of its channel, so no later receipt of the channel may
            # overtake it.
            nameless.add(each.channel_id)
            continue
        message = messages.get(ref.message_id)
        if message is None or each.channel_id in nameless:
            continue
        if message.id in left or not _is_usual(message, each, ref):
            # Later receipts of this message must not overtake it.
            left.add(message.id)
            continue
        if message.provider_message_id is None:
            message.provider_message_id = each.receipt.provider_message_id
            bound.append((message.id, ref.attempt, message.provider_message_id))
        lifecycle.advance(message, each.receipt.status, each.at)
        done[place] = True
    lifecycle.report_group(session, list(messages.values()))
    newly = receipts_repository.bind_attempts(session, bound)
    metrics.count_attempt(session, AttemptOutcome.ACCEPTED, newly)
    return done


def _is_usual(message: Progress, told: ReceivedReceipt, ref: AttemptRef) -> bool:
    """Return whether the receipt is of the current attempt, and only moves the message up."""
    receipt = told.receipt
    return (
        receipt.status in USUAL_NEWS
        and message.status in USUAL_STATUSES
        and message.channel_id == told.channel_id
        and message.attempts == ref.attempt
        and message.provider_message_id in {None, receipt.provider_message_id}
        and all(alias.value == message.to_number for alias in receipt.aliases)
    )
