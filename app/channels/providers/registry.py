"""The table of providers: the only place outside a provider's folder that a new provider
changes."""

from app.channels.errors import ProviderNotOffered
from app.channels.providers.base import Provider
from app.channels.providers.twilio.provider import TwilioProvider
from app.errors import NotFound

PROVIDERS: dict[str, Provider] = {}
"""Name → provider."""


def register(provider: Provider) -> None:
    PROVIDERS[provider.name] = provider


register(TwilioProvider())


def provider_of(name: str) -> Provider:
    """Return the provider with this name. Raises ProviderNotOffered."""
    found = PROVIDERS.get(name)
    if found is None:
        raise ProviderNotOffered(
            f"Recado cannot connect channels of the provider {name!r} yet. "
            f"Offered: {', '.join(PROVIDERS)}."
        )
    return found


def provider_at(path: str) -> Provider:
    """Return the provider whose webhooks arrive at `/webhook/<path>`. Raises NotFound."""
    for provider in PROVIDERS.values():
        if path == provider.name or path in provider.webhook_aliases:
            return provider
    raise NotFound
