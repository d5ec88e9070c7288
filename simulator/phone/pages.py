"""Serves the page, its live events, and the sample media."""

import asyncio
from pathlib import Path
from typing import Final

from aiohttp import web

from simulator.runtime import RUNTIME
from simulator.samples import SAMPLES

_FOLDER: Final = Path(__file__).parent
_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/phone/phone.css": ("phone.css", "text/css"),
    **{
        f"/phone/{name}.js": (f"{name}.js", "text/javascript")
        for name in (
            *("phone", "panel", "list", "bubbles", "media", "format", "dialogs", "dom"),
            *("api", "state", "texts"),
        )
    },
}
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_HEARTBEAT: Final = 15.0


async def page(request: web.Request) -> web.StreamResponse:
    name, content_type = _FILES[request.path]
    text = (_FOLDER / name).read_text(encoding="utf-8")
    return web.Response(text=text, content_type=content_type, headers=_HEADERS)


async def events(request: web.Request) -> web.StreamResponse:
    """Server-sent events: message, phone, typing, reset. The page reloads after a gap."""
    world = request.app[RUNTIME].world
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    queue = world.subscribe()
    try:
        await response.write(b"retry: 1000\n\n")
        while True:
            try:
                text = await asyncio.wait_for(queue.get(), _HEARTBEAT)
                await response.write(f"data: {text}\n\n".encode())
            except TimeoutError:
                await response.write(b": alive\n\n")
    except ConnectionResetError:
        return response
    finally:
        world.unsubscribe(queue)


async def sample(request: web.Request) -> web.StreamResponse:
    """Serve media that an example can name in MediaUrl without the internet."""
    for item in SAMPLES.values():
        if item.name == request.match_info["name"]:
            return web.Response(body=item.data, content_type=item.content_type)
    raise web.HTTPNotFound


def phone_routes() -> list[web.RouteDef]:
    return [
        *(web.get(path, page) for path in _FILES),
        web.get("/phone/events", events),
        web.get("/samples/{name}", sample),
    ]
