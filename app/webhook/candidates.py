"""The channels that a request of a provider may be for, before it is verified."""

from collections.abc import Iterator

from app.channels import service as channels
from app.channels.service import WebhookChannel
from app.common.schema import is_storable


def candidates(
    provider: str, key: str | None, account: str = "", phone_number: str = ""
) -> Iterator[WebhookChannel]:
    """Yield the channels by the key in the URL, or by account and sender. Then yield them again,
    freshly read, because a channel or its credentials may have just changed."""
    if not is_storable(f"{key}{account}{phone_number}"):
        return
    for fresh in (False, True):
        found = channels.resolve_webhook(key, account, phone_number, fresh=fresh)
        for tenant_id, channel_id in found:
            channel = channels.webhook_channel(tenant_id, channel_id, fresh=fresh)
            if channel is not None and channel.provider == provider:
                yield channel
