"""The channels that a request of a provider may be for, before it is verified."""

from collections.abc import Iterable, Iterator

from app.channels import service as channels
from app.channels.service import ChannelRef, WebhookChannel
from app.common.schema import is_storable
from app.extensions import network_of_client
from app.webhook import budgets


def candidates(
    provider: str, key: str | None, account: str = "", phone_number: str = ""
) -> Iterator[WebhookChannel]:
    """Yield the channels by the key in the URL, or by account and sender. Then yield them again,
    freshly read, because a channel or its credentials may have just changed.

    A network that named many channels which do not exist gets only those that are in memory.
    """
    if not is_storable(f"{key}{account}{phone_number}"):
        return
    network = network_of_client()
    if budgets.strangers.is_spent(network):
        remembered = channels.remembered_webhook(key, account, phone_number)
        yield from _channels(provider, remembered, fresh=False)
        return
    for fresh in (False, True):
        found = channels.resolve_webhook(key, account, phone_number, fresh=fresh)
        if not found:
            budgets.strangers.spend(network)
            return
        yield from _channels(provider, found, fresh=fresh)


def _channels(
    provider: str, found: Iterable[ChannelRef], *, fresh: bool
) -> Iterator[WebhookChannel]:
    for tenant_id, channel_id in found:
        channel = channels.webhook_channel(tenant_id, channel_id, fresh=fresh)
        if channel is not None and channel.provider == provider:
            yield channel
