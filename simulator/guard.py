"""Keeps other web sites out of the control API and the phone page."""

from urllib.parse import urlsplit

from aiohttp import web

from simulator.runtime import RUNTIME
from simulator.twilio.errors import Handler

_VENDOR_PATHS = ("/2010-04-01/", "/v1/", "/v2/", "/media/", "/samples/")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse a foreign Host (DNS rebinding) or Origin (another site's page) outside the API."""
    if not request.path.startswith(_VENDOR_PATHS):
        settings = request.app[RUNTIME].settings
        host = request.host.rsplit(":", 1)[0] if not request.host.endswith("]") else request.host
        if host not in {*settings.allowed_hosts.split(","), settings.host}:
            return web.json_response(
                {"error": f"host {host} is not in SIMULATOR_ALLOWED_HOSTS"}, status=403
            )
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return web.json_response({"error": "called from another site's page"}, status=403)
    return await handler(request)
