"""Message and media as the vendor's API shows them."""

import time
from functools import lru_cache
from typing import Any

from simulator.records import Media, Message

API = "/2010-04-01/Accounts"


@lru_cache(maxsize=4096)
def _rfc2822(second: int) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(second))


def rfc2822(at: float | None) -> str | None:
    return None if at is None else _rfc2822(int(at))


def iso8601(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def message_resource(message: Message) -> dict[str, Any]:
    """The Message resource; counts are strings, dates RFC 2822, as the vendor writes them."""
    uri = f"{API}/{message.account_sid}/Messages/{message.sid}"
    # While the message is only accepted, the service has not picked a sender yet.
    unassigned = message.status in ("accepted", "scheduled") and message.service_sid
    return {
        "account_sid": message.account_sid,
        "api_version": "2010-04-01",
        "body": message.body,
        "date_created": rfc2822(message.created),
        "date_sent": rfc2822(message.sent),
        "date_updated": rfc2822(message.updated),
        "direction": message.direction,
        "error_code": message.error_code,
        "error_message": message.error_message,
        "from": None if unassigned else message.from_address,
        "messaging_service_sid": message.service_sid,
        "num_media": str(len(message.media)),
        "num_segments": "0" if unassigned else "1",
        "price": None,
        "price_unit": None,
        "sid": message.sid,
        "status": message.status,
        "subresource_uris": {"media": f"{uri}/Media.json"},
        "to": message.to_address,
        "uri": f"{uri}.json",
    }


def media_resource(media: Media) -> dict[str, Any]:
    parent = f"{API}/{media.account_sid}/Messages/{media.message_sid}"
    return {
        "sid": media.sid,
        "account_sid": media.account_sid,
        "parent_sid": media.message_sid,
        "content_type": media.content_type,
        "date_created": rfc2822(media.created),
        "date_updated": rfc2822(media.created),
        "uri": f"{parent}/Media/{media.sid}.json",
    }
