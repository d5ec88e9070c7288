"""Requests at a fixed rate, or as fast as they are answered, and their results."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import aiohttp

MOST_CONNECTIONS = 128
TIMEOUT = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True)
class Shot:
    """One POST."""

    url: str
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Outcome:
    """`statuses` counts answers by HTTP status; 0 stands for no answer.

    `answered` maps each body to when (epoch seconds) its request was answered with success.
    """

    latencies_ms: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    answered: dict[bytes, float] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def good(self) -> int:
        return sum(count for status, count in self.statuses.items() if 200 <= status < 300)

    @property
    def bad(self) -> int:
        return self.statuses.total() - self.good

    @property
    def rate(self) -> float:
        """Successful answers per second."""
        return self.good / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        return percentile(self.latencies_ms, share)


def percentile(values: list[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of the values do not exceed; 0 without values."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))] if ranked else 0.0


async def at_rate(shots: Iterator[Shot], rate: float, seconds: float) -> Outcome:
    """Open loop: send each shot at its time, whatever became of the earlier ones.

    Latency counts from the time at which the shot was due, so that a server that stalls cannot hide
    the requests that it delayed. Raises RuntimeError if none succeeds.
    """
    outcome = Outcome()
    under_way: set[asyncio.Task[None]] = set()
    async with _session() as session:
        await _warm_up(session, shots)
        started = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = started + number / rate
            pause = due - time.perf_counter()
            if pause > 0:
                await asyncio.sleep(pause)
            task = asyncio.create_task(_fire(session, next(shots), due, outcome))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.wait(under_way)
        outcome.seconds = time.perf_counter() - started
    return _answered(outcome)


async def flat_out(shots: Iterator[Shot], connections: int, seconds: float) -> Outcome:
    """Closed loop: each connection sends its next shot when the last one is answered.

    Raises RuntimeError if none succeeds.
    """
    outcome = Outcome()
    async with _session() as session:
        await _warm_up(session, shots)
        started = time.perf_counter()

        async def one_connection() -> None:
            while time.perf_counter() - started < seconds:
                await _fire(session, next(shots), time.perf_counter(), outcome)

        await asyncio.gather(*(one_connection() for _ in range(connections)))
        outcome.seconds = time.perf_counter() - started
    return _answered(outcome)


def _answered(outcome: Outcome) -> Outcome:
    if not outcome.good:
        raise RuntimeError(f"No request was answered well: {dict(outcome.statuses)} by status.")
    return outcome


def _session() -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=MOST_CONNECTIONS, keepalive_timeout=1.5)
    return aiohttp.ClientSession(
        connector=connector, timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()
    )


async def _warm_up(session: aiohttp.ClientSession, shots: Iterator[Shot]) -> None:
    """Let both web processes open their connections and fill their caches before the clock
    starts."""
    ignored = Outcome()
    for _ in range(4):
        await asyncio.gather(
            *(_fire(session, next(shots), time.perf_counter(), ignored) for _ in range(8))
        )


async def _fire(session: aiohttp.ClientSession, shot: Shot, since: float, outcome: Outcome) -> None:
    try:
        async with session.post(shot.url, data=shot.body, headers=shot.headers) as answer:
            await answer.read()
            status = answer.status
    except (aiohttp.ClientError, OSError, TimeoutError):
        status = 0
    outcome.statuses[status] += 1
    if 200 <= status < 300:
        outcome.answered[shot.body] = time.time()
    outcome.latencies_ms.append((time.perf_counter() - since) * 1000)
