"""Keeps other web sites out: they could read the accounts and write as the people."""

from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from simulator.runtime import RUNTIME
from simulator.settings import Settings
from simulator.twilio.errors import Handler

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_VENDOR_PATHS: Final = ("/2010-04-01/", "/v1/", "/v2/", "/media/", "/samples/")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a foreign Host (DNS rebinding), and outside the vendor's API a foreign Origin (another
    site's page)."""
    if not _is_ours(request.host, request.app[RUNTIME].settings):
        return _refused(
            f"The simulator does not answer as {request.host}, because another site's page could "
            "read its accounts by such a name. Call it as localhost, 127.0.0.1 or [::1], or set "
            "SIMULATOR_PUBLIC_URL to the address by which it is called."
        )
    origin = request.headers.get("Origin")
    foreign = origin is not None and urlsplit(origin).netloc != request.host
    if foreign and not request.path.startswith(_VENDOR_PATHS):
        return _refused(f"The page of another site, {origin}, may not call the simulator.")
    return await handler(request)


def _is_ours(host: str, settings: Settings) -> bool:
    """Return whether a Host header names the loopback or the host of the public URL."""
    name = _hostname(f"//{host}")
    return name is not None and (name in _LOOPBACK or name == _hostname(settings.base_url))


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _refused(sentence: str) -> web.Response:
    return web.json_response({"error": sentence}, status=403)
