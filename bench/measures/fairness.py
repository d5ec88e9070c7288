"""One tenant's replies while another tenant has a queued campaign, or is throttled."""

import asyncio
import time
from dataclasses import dataclass, replace
from uuid import uuid4

import aiohttp

from bench.figures import Figure, Sheet
from bench.load import percentile
from bench.scale import Scale
from bench.world import BenchChannel, World, now

BETWEEN_SECONDS = 0.25
MOST_RATIO = 2.0
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Tenants:
    """`quiet` replies to `people` while `busy` has `backlog` messages queued."""

    busy: BenchChannel
    quiet: BenchChannel
    people: list[str]
    backlog: int


@dataclass(frozen=True)
class Beside:
    """Seconds of each reply, and how many messages of the other tenant were sent meanwhile."""

    seconds: list[float]
    others: int

    def ms(self, share: float) -> float:
        return percentile(self.seconds, share) * 1000


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    await world.provider(100)
    (busy,) = await world.tenant()
    (quiet,) = await world.tenant()
    people = [number for _, _, number in world.seed_people(quiet, scale.replies)]
    tenants = Tenants(busy, quiet, people, scale.backlog)
    await reply_seconds(world, quiet, people[:4])
    alone = Beside(await reply_seconds(world, quiet, people), 0)
    await world.quiet(quiet)
    queued = await _beside_queue(world, tenants)
    if not queued.others:
        raise RuntimeError("None of the queue went out: there was nothing to be beside of.")
    name = f"Reply beside {scale.backlog:,} queued"
    sheet.add(Figure(f"{name}, p50", queued.ms(0.5), "ms", "without them", alone.ms(0.5)))
    sheet.add(_with_bar(_figure(f"{name}, p95", queued, alone)))
    await world.provider(100, callbacks=False)
    unreported = await _beside_queue(world, tenants)
    sheet.add(_figure(f"{name} without receipts, p95", unreported, alone))
    # Last, because a channel that was refused stays slow for a while.
    await world.provider(100, throttled=busy)
    refused = await _beside_queue(world, tenants)
    note = f", {await world.throttled():,} calls refused"
    sheet.add(_figure(f"{name} and refused (429), p95", refused, alone, note))
    await world.provider(100)


def _figure(name: str, beside: Beside, alone: Beside, note: str = "") -> Figure:
    note = f"median {beside.ms(0.5):.0f} ms, {beside.others:,} of them went out meanwhile{note}"
    return Figure(name, beside.ms(0.95), "ms", "without them", alone.ms(0.95), note=note)


def _with_bar(figure: Figure) -> Figure:
    reached = figure.ratio is not None and figure.ratio <= MOST_RATIO
    return replace(figure, bar=f"≤ {MOST_RATIO} ×", reached=reached)


async def _beside_queue(world: World, tenants: Tenants) -> Beside:
    """The queue is dropped afterwards, and the workers are idle again."""
    start = await world.log_end()
    world.seed_messages(tenants.busy, tenants.backlog)
    await asyncio.sleep(3.0)
    seconds = await reply_seconds(world, tenants.quiet, tenants.people)
    handed = await world.handed_over(start)
    await world.quiet(tenants.busy, forget=True)
    await world.quiet(tenants.quiet)
    return Beside(seconds, sum(each.sender.endswith(tenants.busy.number) for each in handed))


async def reply_seconds(world: World, place: BenchChannel, people: list[str]) -> list[float]:
    """Return the seconds from our POST to the provider's log, for a reply to each of these people.

    Raises RuntimeError if one is not accepted or does not arrive.
    """
    start = await world.log_end()
    sent: dict[str, float] = {}
    async with aiohttp.ClientSession() as session:
        for number in people:
            body = f"reply {uuid4()}"
            sent[body] = now()
            async with session.post(
                f"{world.web_url}/api/send",
                json={"to_number": number, "body": body},
                headers=place.headers,
            ) as answer:
                await answer.read()
            if answer.status != 202:
                raise RuntimeError(f"A reply was answered {answer.status}.")
            await asyncio.sleep(BETWEEN_SECONDS)
    return await _arrived(world, start, sent)


async def _arrived(world: World, start: int, sent: dict[str, float]) -> list[float]:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        handed = await world.handed_over(start)
        found = [each.at - sent[each.body] for each in handed if each.body in sent]
        if len(found) >= len(sent):
            return found
        await asyncio.sleep(1.0)
    raise RuntimeError(f"Of {len(sent)} replies {len(found)} arrived.")
