"""The whole life of messages: accepted, sent, and three receipts applied, at a rate that can be
sustained."""

import asyncio
import json
import time
from collections.abc import Iterator
from itertools import count, cycle
from uuid import uuid4

from bench import processes
from bench.figures import Figure, Sheet
from bench.load import Outcome, Shot, at_rate
from bench.scale import Scale
from bench.world import BenchChannel, World

CHANNELS = 4
"""More than one, because one channel sends at most 80 messages a second."""

WARM_UP_SECONDS = 2.0
PEOPLE = 2_000
MOST_BEHIND_SECONDS = 5.0
"""All must be over so long after the last send; the person's phone reads it after 1.5 s."""


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    places = await world.tenant(channels=CHANNELS)
    await world.provider(100)
    people = await _people(world, places)
    await at_rate(sends(world, people), scale.life_rates[0], WARM_UP_SECONDS)
    world.analyze()
    best, note = 0.0, ""
    for rate in scale.life_rates:
        with processes.cost() as cost:
            outcome = await at_rate(sends(world, people), rate, scale.life_seconds)
            behind = await _seconds_behind(world, places[0])
        held = not outcome.bad and behind <= MOST_BEHIND_SECONDS
        figure = Figure(
            f"Whole life at {rate}/s",
            behind,
            "s until all was over",
            bar=f"≤ {MOST_BEHIND_SECONDS:.0f} s",
            reached=held,
            note=f"{outcome.bad} not accepted, {cost.each(outcome.good)}",
        )
        sheet.add(figure)
        if not held:
            break
        best, note = rate, _latencies(outcome)
    sheet.add(Figure("Whole life: the highest of these rates that held", best, "/s", note=note))


def _latencies(outcome: Outcome) -> str:
    return f"202 in {outcome.percentile(0.5):.0f} ms, p99 {outcome.percentile(0.99):.0f} ms"


async def _people(world: World, places: list[BenchChannel]) -> list[tuple[BenchChannel, str]]:
    """Return who can be written to, and from where; their phones read what arrives."""
    found = []
    each = PEOPLE // len(places)
    for place in places:
        numbers = [number for _, _, number in world.seed_people(place, each)]
        for number in numbers:
            phone = {"number": number, "auto_read": True, "window": "open"}
            await world.control("POST", "phones", phone)
        found += [(place, number) for number in numbers]
    # One channel after the other.
    return [found[start + step * each] for start in range(each) for step in range(len(places))]


def sends(world: World, people: list[tuple[BenchChannel, str]]) -> Iterator[Shot]:
    """Yield one text to each of these people, over and over, each text a different one."""
    for (place, number), turn in zip(cycle(people), count(), strict=False):
        body = {"from_number": place.number, "to_number": number, "body": f"{turn} {uuid4()}"}
        yield Shot(f"{world.web_url}/api/send", json.dumps(body).encode(), place.headers)


async def _seconds_behind(world: World, place: BenchChannel) -> float:
    """Return how long after the last send every message was read and every receipt applied.

    Raises RuntimeError if a message ends in another way.
    """
    started = time.monotonic()
    while left := world.not_over(place):
        if time.monotonic() - started > 120:
            raise RuntimeError(f"{left} messages are not read, and no worker takes them.")
        await asyncio.sleep(0.2)
    return time.monotonic() - started
