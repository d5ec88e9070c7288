"""Media of a message. The API wants Basic auth and redirects to a place that does not."""

import re
from typing import Final

from aiohttp import web

from simulator.faults import Call
from simulator.records import Account, Media, Message
from simulator.runtime import RUNTIME
from simulator.twilio.auth import authenticate
from simulator.twilio.errors import json_response, not_found
from simulator.twilio.listing import disturb
from simulator.twilio.resource import API, media_resource
from simulator.twilio.senders import base_of

_SAFE_TYPES: Final = re.compile(r"^(image/(png|jpeg|webp|gif)|audio/[\w.+-]+|video/[\w.+-]+)$")


def _message(request: web.Request) -> tuple[Account, Message]:
    account = authenticate(request)
    message = request.app[RUNTIME].world.message(account, request.match_info["sid"])
    if message is None:
        raise not_found(request)
    return account, message


def _media(request: web.Request) -> Media:
    _, message = _message(request)
    media = request.app[RUNTIME].world.media.get(request.match_info["media"])
    if media is None or media.message_sid != message.sid:
        raise not_found(request)
    return media


async def list_media(request: web.Request) -> web.StreamResponse:
    account, message = _message(request)
    runtime = request.app[RUNTIME]
    runtime.log.add("media_list", account=account.sid, sid=message.sid)
    call = Call(account.sid, message.to_address, message.from_address, message.body)
    disturbed = await disturb(request, runtime.faults.on_listing("media", call))
    if disturbed is not None:
        return disturbed
    world = runtime.world
    items = [media_resource(m) for sid in message.media if (m := world.media.get(sid))]
    uri = f"{API}/{account.sid}/Messages/{message.sid}/Media.json?PageSize=50&Page=0"
    return json_response(
        {
            "media_list": items,
            "page": 0,
            "page_size": 50,
            "start": 0,
            "end": max(len(items) - 1, 0),
            "first_page_uri": uri,
            "previous_page_uri": None,
            "next_page_uri": None,
            "uri": uri,
        }
    )


async def fetch_media(request: web.Request) -> web.StreamResponse:
    return json_response(media_resource(_media(request)))


async def redirect_media(request: web.Request) -> web.StreamResponse:
    """Answer 307 to the storage, as the vendor sends the caller to its CDN."""
    media = _media(request)
    raise web.HTTPTemporaryRedirect(f"{base_of(request)}/media/{media.sid}")


async def delete_media(request: web.Request) -> web.StreamResponse:
    media = _media(request)
    world = request.app[RUNTIME].world
    world.remove_media(media.sid)
    message = world.messages[media.message_sid]
    message.media.remove(media.sid)
    world.save_message(message)
    return web.Response(status=204)


async def serve_bytes(request: web.Request) -> web.StreamResponse:
    """The storage: bytes without authentication. Types that could run in a page are sent as
    downloads."""
    world = request.app[RUNTIME].world
    media = world.media.get(request.match_info["media"])
    data = world.media_bytes(media.sid) if media else None
    if media is None or data is None:
        raise web.HTTPNotFound
    headers = {"X-Content-Type-Options": "nosniff", "Accept-Ranges": "bytes"}
    if not _SAFE_TYPES.match(media.content_type):
        headers["Content-Disposition"] = "attachment"
    asked = _range(request, len(data))
    if asked is None:
        return web.Response(body=data, content_type=media.content_type, headers=headers)
    headers["Content-Range"] = f"bytes {asked.start}-{asked.stop - 1}/{len(data)}"
    part = data[asked.start : asked.stop]
    return web.Response(status=206, body=part, content_type=media.content_type, headers=headers)


def _range(request: web.Request, size: int) -> range | None:
    """Return the bytes that a player asks for: without ranges it knows no recording's length."""
    try:
        start, stop, _ = request.http_range.indices(size)
    except ValueError:
        return None
    return range(start, stop) if "Range" in request.headers and start < stop else None
