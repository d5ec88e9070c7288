"""Assembles the rooms into one aiohttp application."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from simulator.business.endpoints import business_routes
from simulator.control import control_routes
from simulator.guard import guard
from simulator.openai.errors import openai_errors
from simulator.openai.routes import openai_routes
from simulator.phone.pages import phone_routes
from simulator.runtime import RUNTIME, Runtime
from simulator.settings import Settings
from simulator.twilio.delivery import Delivery
from simulator.twilio.errors import refusals
from simulator.twilio.routes import twilio_routes
from simulator.twilio.templates import seed_contents
from simulator.twilio.webhooks import Webhooks

#: Below the two seconds after which common servers close an idle connection: a post on a
#: connection that the other side is just closing would be lost through our fault, not theirs.
_KEEP_ALIVE = 1.0
_MAX_BODY = 32 * 1024 * 1024


async def _life(app: web.Application) -> AsyncIterator[None]:
    runtime = app[RUNTIME]
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE)
    runtime.session = aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True
    )
    runtime.webhooks = Webhooks(runtime)
    runtime.delivery = Delivery(runtime)
    runtime.world.populate()
    seed_contents(runtime)
    runtime.delivery.resume()
    writer = asyncio.create_task(runtime.store.run())
    yield
    for task in (writer, *runtime.tasks):
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await writer
    await runtime.session.close()
    await runtime.store.close()


def create_app(settings: Settings) -> web.Application:
    """Raises ValueError if the settings hold invalid accounts or faults."""
    runtime = Runtime.from_settings(settings)
    app = web.Application(middlewares=[refusals, guard, openai_errors], client_max_size=_MAX_BODY)
    app[RUNTIME] = runtime
    app.add_routes([*twilio_routes(), *openai_routes(), *business_routes()])
    app.add_routes([*control_routes(), *phone_routes()])
    app.cleanup_ctx.append(_life)
    return app


async def listen(settings: Settings) -> web.AppRunner:
    """Start serving; with port 0 the settings learn the port that was picked."""
    runner = web.AppRunner(create_app(settings), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port, backlog=1024)
    await site.start()
    settings.port = runner.addresses[0][1]
    return runner
