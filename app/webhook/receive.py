"""A provider's request: verify, store, notify the worker, answer. Nothing else happens before the
answer."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from uuid import UUID

import structlog

from app.channels.providers.base import Answer, Provider, RawEvent, WebhookRequest
from app.channels.providers.registry import provider_at
from app.channels.service import WebhookChannel
from app.common.faultpoint import faultpoint
from app.common.schema import is_storable
from app.errors import AppError, Forbidden
from app.inbox import service as inbox
from app.metrics import service as metrics
from app.tasks import names
from app.tasks.ring import ring_once
from app.webhook import budgets
from app.webhook.candidates import candidates

log = structlog.get_logger(__name__)


class BadSignature(Forbidden):
    code = "bad_signature"
    message = (
        "The signature does not match. Check that the provider calls exactly the webhook URL that "
        "GET /channels shows, and that the channel holds the account's current secrets."
    )


class UnreadableWebhook(AppError):
    code = "unreadable_webhook"
    message = "The body is not text in UTF-8, or not of the form that this provider sends."


def accept(path: str, incoming: WebhookRequest, channel_key: str | None) -> Answer:
    """Store the events of a webhook for the channels whose secrets signed it, and notify the
    workers.

    `path` is the provider's name in the URL. Returns the body that the provider expects. Raises
    NotFound for a name that no provider has, UnreadableWebhook, and BadSignature when no channel's
    secrets signed it; then nothing was written.
    """
    provider = provider_at(path)
    try:
        webhook = provider.read(incoming)
    except ValueError as error:
        raise UnreadableWebhook from error
    signers = _Signers(provider, incoming, channel_key)
    told: dict[UUID, dict[tuple[UUID, str], str]] = defaultdict(dict)
    for event in webhook.events:
        signer = signers.of(event)
        if signer is not None:
            told[signer.tenant_id][signer.id, event.key] = event.raw
    if not told:
        log.warning("bad_signature", provider=provider.name)
        raise BadSignature
    if not all(is_storable(raw) for events in told.values() for raw in events.values()):
        raise UnreadableWebhook
    for events in told.values():
        for channel_id, number in Counter(channel_id for channel_id, _ in events).items():
            budgets.spend_events(channel_id, number)
    for tenant_id, events in told.items():
        _store(tenant_id, events)
    return webhook.answer


def _store(tenant_id: UUID, events: Mapping[tuple[UUID, str], str]) -> None:
    """Store the events of one tenant: (channel, key) → raw text."""
    faultpoint("inbox_before_commit")
    told = [(channel_id, key, raw) for (channel_id, key), raw in events.items()]
    new = inbox.store(tenant_id, told)
    faultpoint("inbox_after_commit")
    metrics.count_stored("received", new)
    metrics.count_stored("duplicate", len(told) - new)
    if new:
        ring_once(names.APPLY_INBOX, tenant_id)


MOST_STRANGERS = 10
"""Senders that are looked up before one of them has signed: a forger may name thousands."""


class _Signers:
    """Finds the channels that signed one request."""

    def __init__(self, provider: Provider, incoming: WebhookRequest, key: str | None) -> None:
        self._provider = provider
        self._incoming = incoming
        self._key = None if provider.is_shared_webhook else key
        self._found: dict[tuple[str, str], WebhookChannel | None] = {}

    def of(self, event: RawEvent) -> WebhookChannel | None:
        """Return the channel, of those that the event may be for, whose secrets signed the
        request."""
        sender = (event.account, event.phone_number)
        if sender not in self._found:
            if len(self._found) >= MOST_STRANGERS and not any(self._found.values()):
                return None
            self._found[sender] = self._look(*sender)
        return self._found[sender]

    def _look(self, account: str, phone_number: str) -> WebhookChannel | None:
        for channel in candidates(self._provider.name, self._key, account, phone_number):
            if self._provider.is_signed(self._incoming, channel.credentials):
                return channel
        return None
