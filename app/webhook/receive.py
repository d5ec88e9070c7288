"""A provider's request: verify, store, ring, answer. Nothing else happens before the answer."""

import structlog
from flask import request

from app import config, db
from app.channels import service as channels
from app.channels.providers.base import Envelope, WebhookRequest
from app.channels.providers.registry import provider_of
from app.channels.service import WebhookChannel
from app.common.faultpoint import faultpoint
from app.common.schema import is_storable
from app.errors import AppError, Forbidden
from app.inbox import service as inbox
from app.metrics import service as metrics
from app.tasks import names
from app.tasks.ring import ring

log = structlog.get_logger(__name__)


class BadSignature(Forbidden):
    code = "bad_signature"
    message = (
        "The signature does not match. Check that the provider calls exactly the webhook URL that "
        "GET /channels shows, and that the channel holds the account's current auth token."
    )


class UnreadableWebhook(AppError):
    code = "unreadable_webhook"
    message = "The body is not a form in UTF-8."


def current_request() -> WebhookRequest:
    """This request as the provider signed it: our public address, the target as it was sent."""
    target = request.environ.get("RAW_URI") or request.full_path
    path, _, query = target.partition("?")
    if not path.startswith("/"):
        # Proxies may send the absolute form: the authority is not ours to believe.
        path = request.path
    url = config.current().public_base_url + path + (f"?{query}" if query else "")
    return WebhookRequest(url, query, request.get_data(cache=True), dict(request.headers))


def accept(
    provider: str, incoming: WebhookRequest, channel_key: str | None
) -> tuple[int, str, str]:
    """Store an event for the channel whose credentials signed it, and ring.

    Answers what the provider expects to read: HTTP status, MIME type, body. Raises BadSignature
    when no channel's credentials signed it; then nothing was written.
    """
    if channel_key is not None and not is_storable(channel_key):
        raise BadSignature
    envelope = provider_of(provider).envelope(incoming.body)
    channel = _signer(provider, incoming, envelope, channel_key)
    raw = raw_text(incoming)
    with db.tenant_session(channel.tenant_id) as session:
        event_key = provider_of(provider).event_key(raw)
        stored = inbox.store(session, channel.id, event_key, raw)
        if stored is not None:
            ring(session, names.APPLY_INBOX, channel.tenant_id)
        metrics.count_inbox(session, "duplicate" if stored is None else "received")
        faultpoint("inbox_before_commit")
    faultpoint("inbox_after_commit")
    return envelope.answer


def raw_text(incoming: WebhookRequest) -> str:
    """The body and, behind a newline, the query. Raises UnreadableWebhook."""
    try:
        raw = f"{incoming.body.decode()}\n{incoming.query}"
    except UnicodeDecodeError as error:
        raise UnreadableWebhook from error
    if not is_storable(raw):
        raise UnreadableWebhook
    return raw


def _signer(
    provider: str, incoming: WebhookRequest, envelope: Envelope, channel_key: str | None
) -> WebhookChannel:
    """Of the channels that it may be for, the one whose credentials signed it.

    Looked up anew before a refusal: a channel or its credentials may have just changed.
    """
    for fresh in (False, True):
        candidates = channels.resolve_webhook(
            channel_key, envelope.account, envelope.phone_number, fresh=fresh
        )
        for tenant_id, channel_id in candidates:
            channel = channels.webhook_channel(tenant_id, channel_id, fresh=fresh)
            if channel is None or channel.provider != provider:
                continue
            if provider_of(provider).is_signed(incoming, channel.credentials):
                return channel
    log.warning("bad_signature", provider=provider)
    raise BadSignature
