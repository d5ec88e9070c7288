"""WhatsApp senders (/v2/Channels/Senders) and the account itself."""

import hashlib
import time
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from simulator.records import Account, Sender
from simulator.runtime import RUNTIME
from simulator.twilio.auth import authenticate
from simulator.twilio.errors import bad_request, json_response, not_found
from simulator.twilio.listing import page_number, page_size
from simulator.twilio.resource import API, rfc2822

_STARTED = time.time()


def sender_sid(account_sid: str, number: str) -> str:
    return "XE" + hashlib.sha256(f"{account_sid} {number}".encode()).hexdigest()[:32]


def sender_resource(base_url: str, account: Account, sender: Sender) -> dict[str, Any]:
    sid = sender_sid(account.sid, sender.number)
    return {
        "sid": sid,
        "sender_id": sender.number,
        "status": "ONLINE",
        "friendly_name": sender.name or None,
        "configuration": {"waba_id": sid[2:17], "verification_method": "sms"},
        "webhook": {
            "callback_url": sender.inbound_url,
            "callback_method": "POST",
            "fallback_url": sender.fallback_url,
            "fallback_method": "POST",
            "status_callback_url": sender.status_url,
            "status_callback_method": "POST",
        },
        "profile": {"name": sender.name or account.friendly_name},
        "properties": {"quality_rating": "HIGH", "messaging_limit": "1K Customers/24hr"},
        "offline_reasons": None,
        "compliance": None,
        "url": f"{base_url}/v2/Channels/Senders/{sid}",
    }


def meta_page(
    request: web.Request, base_url: str, key: str, items: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the page form of the newer APIs: the items under `key`, links under `meta`."""
    size, page = page_size(request), page_number(request)
    start = page * size

    def link(number: int) -> str:
        query = {**request.query, "PageSize": str(size), "Page": str(number)}
        return f"{base_url}{request.path}?{urlencode(query)}"

    more = start + size < len(items)
    return {
        key: items[start : start + size],
        "meta": {
            "key": key,
            "page": page,
            "page_size": size,
            "first_page_url": link(0),
            "previous_page_url": link(page - 1) if page else None,
            "next_page_url": link(page + 1) if more else None,
            "url": link(page),
        },
    }


def base_of(request: web.Request) -> str:
    """Return the address by which the caller reached us, so that page links stay on it."""
    return f"{request.scheme}://{request.host}"


async def list_senders(request: web.Request) -> web.StreamResponse:
    account = authenticate(request)
    if request.query.get("Channel", "").lower() not in ("whatsapp", "rcs"):
        raise bad_request(20001, "Channel is required: whatsapp")
    base = base_of(request)
    shown = [sender_resource(base, account, s) for s in account.senders.values()]
    if request.query["Channel"].lower() == "rcs":
        shown = []
    return json_response(meta_page(request, base, "senders", shown))


async def fetch_sender(request: web.Request) -> web.StreamResponse:
    account = authenticate(request)
    for sender in account.senders.values():
        if sender_sid(account.sid, sender.number) == request.match_info["sid"]:
            return json_response(sender_resource(base_of(request), account, sender))
    raise not_found(request)


async def fetch_account(request: web.Request) -> web.StreamResponse:
    account = request.app[RUNTIME].world.accounts[authenticate(request).sid]
    uri = f"{API}/{account.sid}"
    return json_response(
        {
            "sid": account.sid,
            "owner_account_sid": account.sid,
            "friendly_name": account.friendly_name,
            "auth_token": account.auth_token,
            "status": "active",
            "type": "Full",
            "date_created": rfc2822(_STARTED),
            "date_updated": rfc2822(_STARTED),
            "subresource_uris": {"messages": f"{uri}/Messages.json"},
            "uri": f"{uri}.json",
        }
    )
