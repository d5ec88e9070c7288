"""How fast one tenant reads while strangers and another tenant hold the doors: slow clients, a
flood of sign-ins from ever new addresses, and sends that wait for a slow provider."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp

from bench.figures import Figure, Sheet
from bench.load import percentile
from bench.scale import Scale
from bench.world import BenchChannel, World

AT_ONCE = 64
READS_A_SECOND = 20.0
MOST_BEYOND_QUIET = 3.0
SETTLE_SECONDS = 2.0
LONGEST_WAIT_SECONDS = 8.0
"""How long a send with `use_queue: false` waits at most."""
GUESSES_A_SECOND = 100
"""Of all together. Without a pace, each answer would be followed by the next guess, and the faster
the service refused the more it would get."""

HALF_A_HEAD = "GET /api/messages HTTP/1.1\r\nHost: {host}\r\nX-Slow: "
HALF_A_BODY = "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\n\r\n"

Siege = Callable[[World, BenchChannel, int], Coroutine[Any, Any, None]]


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    (reader,), (other,) = await world.tenant(), await world.tenant()
    world.seed_messages(reader, 100, "accepted")
    # Every thread of the service opens its connections.
    await asyncio.gather(*(reads(world, reader, SETTLE_SECONDS) for _ in range(8)))
    quiet = percentile(await reads(world, reader, scale.slow_seconds), 0.99)
    for name, siege in SIEGES.items():
        tasks = [asyncio.create_task(siege(world, other, number)) for number in range(AT_ONCE)]
        await asyncio.sleep(SETTLE_SECONDS)
        latencies = await reads(world, reader, scale.slow_seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        p99 = percentile(latencies, 0.99)
        title = f"Reads beside {AT_ONCE} {name}, p99 (median {percentile(latencies, 0.5):.0f} ms)"
        bar = f"≤ {MOST_BEYOND_QUIET} ×"
        sheet.add(Figure(title, p99, "ms", "quiet", quiet, bar, p99 <= MOST_BEYOND_QUIET * quiet))
        await world.provider()
        await asyncio.sleep(SETTLE_SECONDS)


async def reads(world: World, place: BenchChannel, seconds: float) -> list[float]:
    """Return the milliseconds of each GET of a page of messages, sent at its time."""
    latencies: list[float] = []
    url = f"{world.web_url}/api/messages?limit=20"

    async def read(session: aiohttp.ClientSession, due: float) -> None:
        async with session.get(url, headers=place.headers) as answer:
            await answer.read()
            answer.raise_for_status()
        latencies.append(1000 * (time.perf_counter() - due))

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session:
        started = time.perf_counter()
        tasks = []
        for number in range(int(READS_A_SECOND * seconds)):
            due = started + number / READS_A_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(read(session, due)))
        await asyncio.gather(*tasks)
    return latencies


async def send_slowly(world: World, other: BenchChannel, number: int) -> None:
    """Begin a request and send a byte a second; begin again when the server has enough."""
    parts = urlsplit(world.web_url)
    half = HALF_A_BODY if number % 2 else HALF_A_HEAD
    text = half.format(host=parts.netloc, path=urlsplit(other.webhook_url).path)
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(text.encode())
                while True:
                    await writer.drain()
                    await asyncio.sleep(1.0)
                    writer.write(b"x")
            finally:
                writer.close()


async def guess_passwords(world: World, _other: BenchChannel, _number: int) -> None:
    """Sign in as ever other people from ever other addresses of this machine."""
    parts = urlsplit(world.web_url)
    while True:
        await asyncio.sleep(random.uniform(0.0, 2.0) * AT_ONCE / GUESSES_A_SECOND)
        address = f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(255)}"
        body = json.dumps({"username": uuid4().hex, "password": uuid4().hex})
        head = (
            f"POST /auth/login HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with suppress(OSError):
            connecting = asyncio.open_connection(
                parts.hostname, parts.port, local_addr=(address, 0)
            )
            answer, writer = await connecting
            try:
                writer.write(f"{head}{body}".encode())
                await answer.read()
            finally:
                writer.close()


async def wait_for_provider(world: World, other: BenchChannel, number: int) -> None:
    """Send with `use_queue: false` while the provider takes long."""
    if not number:
        await world.provider(20_000)
    url = f"{world.web_url}/api/send"
    async with aiohttp.ClientSession(headers=other.headers) as session:
        while True:
            body = {"to_number": world.new_number(), "body": "x", "use_queue": False}
            async with session.post(url, json=body) as answer:
                await answer.read()
            # Only some may wait; the others are answered 202 at once, and would be a mere load.
            await asyncio.sleep(LONGEST_WAIT_SECONDS)


SIEGES: dict[str, Siege] = {
    "slow clients": send_slowly,
    "people who guess passwords": guess_passwords,
    "sends that wait for their provider": wait_for_provider,
}
