"""The outcome of an uncertain message, decided from the provider's list.

If the list has the message, its status there is taken. If two readings do not find it, it was not
sent, so it may be sent again: a limited number of times, each after a longer pause.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from sqlalchemy.orm import Session

from app import config, db
from app.channels.providers.base import ProviderError, SentMessage, StatusReceipt
from app.common import clock
from app.conversations import service as conversations
from app.delivery import pacing, repository
from app.messages import lifecycle, reports
from app.messages import service as messages
from app.messages.content import Content
from app.models import Message, Policy

READS = 2
CLOCK_SKEW = timedelta(seconds=60)
"""How far the provider's clock may be from ours. Its dates have no fractions of a second."""

MOST_SENDS = 5
"""Sends without a clear answer. Each risks a duplicate and delays the conversation."""

SETTLE_IT = (
    "Find out whether it arrived, and settle it with POST /api/messages/{id}/settle: "
    "arrived, did_not_arrive or send_again."
)

WORKER_LOST = ProviderError(
    code="worker_lost",
    cause="The worker that was sending this message died.",
    remedy="Nothing to do: Recado asks the provider whether it was sent.",
)
UNREADABLE = ProviderError(
    code="list_unreadable",
    cause="It is unknown whether it was sent: for too long the provider's list of sent messages "
    "could not be read.",
    remedy=f"{SETTLE_IT} Check the channel's account with POST /channels/{{id}}/verify.",
)
NO_LIST = ProviderError(
    code="no_list",
    cause="It is unknown whether it was sent: this provider keeps no list of sent messages.",
    remedy=SETTLE_IT,
)
NOT_LISTED = ProviderError(
    code="not_listed",
    cause="It is unknown whether it was sent: the provider's list does not show it, and the "
    "policy at_most_once forbids to send it again.",
    remedy=SETTLE_IT,
)
TOO_OFTEN = ProviderError(
    code="sent_too_often",
    cause=f"It was sent {MOST_SENDS} times or more, each time without a clear answer, and the "
    "provider's list does not show it.",
    remedy=SETTLE_IT,
)


def give_up(session: Session, message: Message, reason: ProviderError) -> None:
    """End the message as `unknown`; its error also says what the last attempt met."""
    last = message.error or {}
    cause = f"{reason.cause} The last attempt: {last['cause']}" if last else reason.cause
    told = replace(reason, cause=cause, provider_code=last.get("provider_code"))
    lifecycle.give_up(session, message, told)


def compare(session: Session, message: Message, listed: Sequence[SentMessage]) -> None:
    """Apply a list that was read. The caller holds the lock of the uncertain message."""
    sends, since = repository.ambiguous_ends(session, message.id)
    recent = [each for each in listed if since is None or each.created_at >= since - CLOCK_SKEW]
    found = _match(session, message, recent)
    if found is not None:
        _found(session, message, found)
        return
    message.settle_reads += 1
    if message.settle_reads >= READS:
        _not_sent(session, message, sends)


def _match(session: Session, message: Message, listed: Sequence[SentMessage]) -> SentMessage | None:
    """Return the oldest listed message that may be this one and belongs to no other of ours.

    Among equal texts any will do: each listed message must settle exactly one of ours.
    """
    likely = [each for each in listed if same_content(message.content, each.body)]
    provider_ids = [each.provider_message_id for each in likely]
    bound = repository.bound_ids(session, message.channel_id, provider_ids)
    free = [each for each in likely if each.provider_message_id not in bound]
    return min(free, key=lambda each: each.created_at, default=None)


def same_content(content: Content, body: str) -> bool:
    """Return whether a listed body may be this content. Only the provider knows a template's
    text."""
    if content["type"] == "template":
        return True
    return bool(content["body"].strip() == body.strip())


def _found(session: Session, message: Message, found: SentMessage) -> None:
    """The message was sent: apply its listed status as a receipt."""
    news = StatusReceipt(found.provider_message_id, found.status, found.error)
    attempt = messages.attempt(session, message.id, message.attempts)
    reports.apply_news(session, message, news, attempt, clock.now())
    if found.error is not None and found.error.throttled:
        db.after_commit(session, partial(pacing.slow_down, message.channel_id))
    if found.error is not None and found.error.closes_window and attempt is not None:
        # Conversations are locked before messages, so this needs a transaction of its own.
        told = (message.tenant_id, message.conversation_id, attempt.created_at)
        db.after_commit(session, partial(_close_window, *told))


def _close_window(tenant_id: UUID, conversation_id: UUID, called_at: datetime) -> None:
    with db.tenant_session(tenant_id) as session:
        conversations.close_window(session, conversation_id, called_at)


def _not_sent(session: Session, message: Message, sends: int) -> None:
    """The provider does not know the message: send it again, or end it as `unknown`."""
    if message.policy == Policy.AT_MOST_ONCE:
        give_up(session, message, NOT_LISTED)
    elif sends >= MOST_SENDS:
        give_up(session, message, TOO_OFTEN)
    else:
        pause = config.current().settle_again_seconds * 2.0 ** max(0, sends - 1)
        lifecycle.resend(session, message, pause)
