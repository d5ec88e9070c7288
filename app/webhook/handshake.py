"""A provider's handshake: before it uses a webhook URL, it asks whether we expect it."""

from collections.abc import Iterator

from werkzeug.exceptions import MethodNotAllowed

from app.channels import service as channels
from app.channels.providers.base import Json, WebhookRequest
from app.channels.providers.registry import provider_at
from app.common.schema import is_storable
from app.errors import Forbidden


class HandshakeRefused(Forbidden):
    code = "handshake_refused"
    message = (
        "This is no handshake that Recado expects. Check the webhook URL and the verify token that "
        "you gave the provider."
    )


def answer(path: str, incoming: WebhookRequest, channel_key: str | None) -> str:
    """The text that the provider wants to read. `path` is the provider's name in the URL.

    Raises NotFound for a name that no provider has, MethodNotAllowed for a provider without a
    handshake, HandshakeRefused.
    """
    provider = provider_at(path)
    if not provider.has_handshake:
        raise MethodNotAllowed(["POST"])
    for credentials in _credentials(provider.name, channel_key):
        found = provider.challenge(incoming, credentials)
        if found is not None:
            return found
    raise HandshakeRefused


def _credentials(provider: str, channel_key: str | None) -> Iterator[Json]:
    """Those of the channel in the URL, and once more if they have just changed; {} without one."""
    if channel_key is None:
        yield {}
        return
    if not is_storable(channel_key):
        return
    for fresh in (False, True):
        for tenant_id, channel_id in channels.resolve_webhook(channel_key, "", "", fresh=fresh):
            channel = channels.webhook_channel(tenant_id, channel_id, fresh=fresh)
            if channel is not None and channel.provider == provider:
                yield channel.credentials
