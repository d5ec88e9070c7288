"""A bot's turns: what Recado adds to the time of the model, and many conversations at once."""

import asyncio
import time
from uuid import uuid4

from bench import processes
from bench.figures import Figure, Sheet
from bench.load import Shot, at_rate, percentile
from bench.measures.webhook import inbound, signed
from bench.scale import Scale
from bench.world import BenchChannel, World

RATE = 5
MODEL_SECONDS = 1.0
MOST_MS = 150.0
WARM_UP = 32
"""Webhooks of a business without a bot, which `at_rate` sends before its clock starts."""

TENANTS = 4
SLOW_MODEL_SECONDS = 10.0
MOST_RATIO = 1.5
PATIENCE_SECONDS = 120.0

Written = list[tuple[Shot, str]]


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    await world.provider()
    places = [place for _ in range(TENANTS) for place in await world.tenant()]
    warm_up = _written(await world.tenant(), WARM_UP)
    key = f"sk-bench-{uuid4().hex}"
    await world.control("PUT", f"openai/keys/{key}", {})
    for place in places:
        await world.bot(place, key)
    await _think(world, key, MODEL_SECONDS)
    # The first turn of a process imports the library of the model's client.
    await _answers(world, warm_up, _written(places, 8), RATE)
    written = _written(places[:1], int(RATE * scale.turn_seconds))
    with processes.cost() as cost:
        seconds = await _answers(world, warm_up, written, RATE)
    own = [(each - MODEL_SECONDS) * 1000 for each in seconds]
    sheet.add(
        Figure(
            f"Bot's turn without its model and debounce, p95, at {RATE}/s",
            percentile(own, 0.95),
            "ms",
            bar=f"≤ {MOST_MS:.0f} ms",
            reached=percentile(own, 0.95) <= MOST_MS,
            note=f"median {percentile(own, 0.5):.0f} ms; {cost.each(len(own))}",
        )
    )
    await _think(world, key, SLOW_MODEL_SECONDS)
    with processes.cost() as cost:
        written = _written(places, scale.turns_at_once)
        last = max(await _answers(world, warm_up, written, scale.turns_at_once))
    sheet.add(
        Figure(
            f"{scale.turns_at_once} conversations in turn at once, the last answer",
            last,
            "s",
            "the model",
            SLOW_MODEL_SECONDS,
            f"≤ {MOST_RATIO} ×",
            last <= MOST_RATIO * SLOW_MODEL_SECONDS,
            note=f"of {TENANTS} tenants; {cost.each(scale.turns_at_once)}",
        )
    )


async def _think(world: World, key: str, seconds: float) -> None:
    """Let the model take so long for each answer."""
    rules = [{"do": "default", "seconds": seconds}]
    await world.control("PUT", "openai/rules", {"key": key, "rules": rules})


def _written(places: list[BenchChannel], count: int) -> Written:
    """Return so many webhooks, each with the number of the person who wrote it: somebody else each
    time, to each of the channels in turn."""
    found = []
    for index in range(count):
        place = places[index % len(places)]
        number = f"+1557{uuid4().int % 10_000_000:07d}"
        found.append((signed(place, place.webhook_url, inbound(place, number)), number))
    return found


async def _answers(world: World, warm_up: Written, written: Written, rate: int) -> list[float]:
    """Return the seconds from the answer to each webhook to the provider's log of the bot's reply.

    Raises RuntimeError if a reply does not come.
    """
    start = await world.log_end()
    people = {shot.body: number for shot, number in written}
    shots = iter([shot for shot, _ in (*warm_up, *written)])
    outcome = await at_rate(shots, rate, len(written) / rate)
    asked = {people[body]: at for body, at in outcome.answered.items()}
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        handed = {
            each.to.removeprefix("whatsapp:"): each for each in await world.handed_over(start)
        }
        if asked.keys() <= handed.keys():
            return [handed[number].at - at for number, at in asked.items()]
        await asyncio.sleep(0.5)
    raise RuntimeError(f"{len(asked.keys() - handed.keys())} of {len(asked)} replies did not come.")
