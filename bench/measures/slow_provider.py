"""The API while every call to the provider takes 20 seconds (in the short run fewer)."""

from bench.figures import Figure, Sheet
from bench.load import at_rate
from bench.measures.accept import sends
from bench.scale import Scale
from bench.world import World

RATE = 50
MOST_RATIO = 1.2


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    (place,) = await world.tenant()
    numbers = [number for _, _, number in world.seed_people(place, 2_000)]
    shots = sends(world, place, numbers)
    await world.provider(100, callbacks=False)
    usual = await at_rate(shots, RATE, scale.slow_seconds)
    await world.quiet(place, forget=True)
    await world.provider(scale.provider_seconds * 1000, callbacks=False)
    slow = await at_rate(shots, RATE, scale.slow_seconds)
    await world.provider(100, callbacks=False)
    await world.quiet(place, forget=True)
    value, limit = slow.percentile(0.99), usual.percentile(0.99)
    sheet.add(
        Figure(
            f"202 with a provider of {scale.provider_seconds} s, p99",
            value,
            "ms",
            "with one of 100 ms",
            limit,
            "≤ 1.2 ×",
            value <= MOST_RATIO * limit and not slow.bad,
            note=f"at {RATE}/s, median {slow.percentile(0.5):.0f} ms, {slow.bad} not accepted",
        )
    )
