"""The handshake: before a provider uses a webhook URL, it asks whether we expect it."""

from collections.abc import Iterator

from app.channels.providers.base import Json, WebhookRequest
from app.channels.providers.registry import provider_at
from app.errors import AppError, Forbidden
from app.webhook.candidates import candidates


class HandshakeRefused(Forbidden):
    code = "handshake_refused"
    message = (
        "This is no handshake that Recado expects. Check the webhook URL and the verify token that "
        "you gave the provider."
    )


class NoHandshake(AppError):
    status = 405
    code = "method_not_allowed"
    message = "This provider calls its webhook without a handshake: it sends POST only."

    def __init__(self) -> None:
        super().__init__(headers={"Allow": "POST"})


def answer(path: str, incoming: WebhookRequest, channel_key: str | None) -> str:
    """Return the text that the provider expects. `path` is the provider's name in the URL.

    Raises NotFound for a name that no provider has, NoHandshake, HandshakeRefused.
    """
    provider = provider_at(path)
    if not provider.has_handshake:
        raise NoHandshake
    for credentials in _credentials(provider.name, channel_key):
        found = provider.challenge(incoming, credentials)
        if found is not None:
            return found
    raise HandshakeRefused


def _credentials(provider: str, channel_key: str | None) -> Iterator[Json]:
    """Return the credentials of the channel in the URL; {} without one."""
    if channel_key is None:
        yield {}
    else:
        yield from (channel.credentials for channel in candidates(provider, channel_key))
