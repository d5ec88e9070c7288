"""Uncertain → settled: first a receipt may tell; then the provider's list is read, twice.

A worker that died leaves its claim: when the lease runs out, that message is uncertain as well,
for the call may have been made. What two readings do not find was not sent: it goes out again
(policy `default`), or its fate stays `unknown` and the tenant is told (`at_most_once`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import func
from sqlalchemy.orm import Session

from app import config, db
from app.channels import service as channels
from app.channels.providers.base import ProviderError, ProviderUnavailable, SentMessage
from app.common.phone import parse_address
from app.delivery import outcomes, repository
from app.messages import lifecycle
from app.messages import service as messages
from app.messages.content import Content
from app.models import Message, Policy, Status

log = structlog.get_logger(__name__)

READS = 2
CLOCK_SKEW = timedelta(seconds=60)
"""How far the provider's clock may be from ours (its dates have no fractions of a second)."""

BATCH = 20
LOST_AT_ONCE = 100

WORKER_LOST = ProviderError(
    code="worker_lost",
    cause="The worker that was sending this message disappeared.",
    remedy="Nothing to do: we ask the provider whether it went out.",
)


@dataclass(frozen=True)
class Doubt:
    """An uncertain message, as far as asking the provider about it needs."""

    message_id: UUID
    attempt: int
    attempted_at: datetime
    from_number: str
    to_number: str
    content: Content


def settle_channel(tenant_id: UUID, channel_id: UUID) -> int:
    """Look after claims whose time is up; answers how many messages it looked at."""
    with db.tenant_session(tenant_id) as session:
        lost = doubt_lost_claims(session, channel_id)
        doubts = _due_doubts(session, channel_id)
    if not doubts:
        return lost
    try:
        client = channels.client_for(tenant_id, channel_id)
    except channels.ChannelGone:
        return lost
    for doubt in doubts:
        try:
            listed = client.sent_messages(parse_address(doubt.to_number), doubt.from_number)
        except ProviderUnavailable:
            log.warning("cannot_settle_yet", message_id=str(doubt.message_id))
            listed = None
        with db.tenant_session(tenant_id) as session:
            settle(session, channel_id, doubt, listed)
    return lost + len(doubts)


def doubt_lost_claims(session: Session, channel_id: UUID) -> int:
    """Claims whose lease ran out become uncertain; nothing stays `sending` for ever."""
    lost = repository.lost_claims(session, channel_id, LOST_AT_ONCE)
    for message in lost:
        lifecycle.doubt(session, message, WORKER_LOST)
    return len(lost)


def _due_doubts(session: Session, channel_id: UUID) -> list[Doubt]:
    """Uncertain messages whose wait is over; their next look is put off while we ask."""
    pause = timedelta(seconds=config.current().settle_again_seconds)
    doubts = []
    for message, attempt in repository.due_doubts(session, channel_id, BATCH):
        message.lease_until = func.now() + pause
        doubts.append(
            Doubt(
                message_id=message.id,
                attempt=attempt.number,
                attempted_at=attempt.created_at,
                from_number=message.from_number,
                to_number=message.to_number,
                content=message.content,
            )
        )
    return doubts


def settle(
    session: Session, channel_id: UUID, doubt: Doubt, listed: Sequence[SentMessage] | None
) -> None:
    """Apply one reading of the provider's list; None when it could not be read."""
    message = messages.lock(session, doubt.message_id)
    if message is None or message.status != Status.UNCERTAIN or message.attempts != doubt.attempt:
        return
    if listed is None:
        return
    found = _match(session, channel_id, doubt, listed)
    if found is not None:
        outcomes.accepted(session, message, found.provider_message_id)
        return
    message.settle_reads += 1
    if message.settle_reads >= READS:
        _not_sent(session, message)


def _match(
    session: Session, channel_id: UUID, doubt: Doubt, listed: Sequence[SentMessage]
) -> SentMessage | None:
    """The oldest listed message that may be this one and is bound to no other of ours.

    Of equal texts any will do: what matters is that each listed message settles one of ours.
    """
    likely = [
        each
        for each in listed
        if each.created_at >= doubt.attempted_at - CLOCK_SKEW
        and same_content(doubt.content, each.body)
    ]
    bound = repository.bound_ids(session, channel_id, [each.provider_message_id for each in likely])
    free = [each for each in likely if each.provider_message_id not in bound]
    return min(free, key=lambda each: each.created_at, default=None)


def same_content(content: Content, body: str) -> bool:
    """Whether a listed body may be this content; only the provider knows a template's text."""
    if content["type"] == "template":
        return True
    return bool(content["body"].strip() == body.strip())


def _not_sent(session: Session, message: Message) -> None:
    """The provider does not know it: send again, or say that its fate is unknown."""
    if message.policy == Policy.AT_MOST_ONCE:
        lifecycle.give_up(session, message)
    else:
        lifecycle.resend(session, message)
