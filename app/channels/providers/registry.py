"""Name → provider. The one place outside a provider's folder that a new provider touches."""

from collections.abc import Mapping

from app.channels.errors import ProviderNotOffered
from app.channels.providers.base import Provider
from app.channels.providers.twilio.provider import TwilioProvider
from app.models import Provider as ProviderName

PROVIDERS: Mapping[str, Provider] = {ProviderName.TWILIO: TwilioProvider()}


def provider_of(name: str) -> Provider:
    """Raises ProviderNotOffered."""
    found = PROVIDERS.get(name)
    if found is None:
        offered = ", ".join(PROVIDERS)
        raise ProviderNotOffered(
            f"Recado cannot connect channels of the provider {name!r} yet. Offered: {offered}."
        )
    return found
