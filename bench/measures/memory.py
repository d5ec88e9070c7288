"""Whether the worker's memory stays flat over many messages."""

from bench import processes
from bench.figures import Figure, Sheet
from bench.scale import Scale
from bench.world import BenchChannel, World

CHANNELS = 8
MOST_GROWTH = 0.10
WARM_UP_SHARE = 0.1


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    await world.provider(20, callbacks=False)
    places = await world.tenant(channels=CHANNELS)
    await _send(world, places, int(scale.memory_messages * WARM_UP_SHARE))
    before = processes.worker_memory_mb()
    await _send(world, places, scale.memory_messages)
    after = processes.worker_memory_mb()
    if not before:
        print("  worker memory: not measured, for this system has no /proc")
        return
    growth = after / before - 1
    sheet.add(
        Figure(
            f"Worker memory after {scale.memory_messages:,} messages",
            after,
            "MB",
            "after warm-up",
            before,
            f"growth ≤ {MOST_GROWTH:.0%}",
            growth <= MOST_GROWTH,
            note="all worker processes together",
        )
    )


async def _send(world: World, places: list[BenchChannel], count: int) -> None:
    for place in places:
        world.seed_messages(place, count // len(places))
    await world.quiet(places[0])
