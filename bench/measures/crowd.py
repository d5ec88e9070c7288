"""One tenant's single sends while 80 channels of another are paced, slow, refused or disabled."""

import asyncio
from collections.abc import Awaitable, Callable

from bench import processes
from bench.figures import Figure, Sheet
from bench.measures.fairness import reply_seconds
from bench.scale import Scale
from bench.world import BenchChannel, World

MOST_BEYOND_QUIET = 1.0
SLOW_SECONDS = 10.0
IDLE_SECONDS = 10.0

Change = Callable[[World, list[BenchChannel]], Awaitable[None]]


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    await world.provider(100)
    (prompt,) = await world.tenant()
    replies = [number for _, _, number in world.seed_people(prompt, scale.singles)]
    notices = [world.new_number() for _ in range(scale.singles)]
    await reply_seconds(world, prompt, replies[:4])
    quiet = {
        "reply": max(await reply_seconds(world, prompt, replies)),
        "single send": max(await reply_seconds(world, prompt, notices)),
    }
    idle = await _idle(sheet, "", None)
    for name, change in CROWDS.items():
        crowd = await world.tenant(scale.crowd, messages_per_second=1)
        await change(world, crowd)
        for place in crowd:
            world.seed_messages(place, scale.crowd_messages)
        await asyncio.sleep(3.0)
        for kind, people in (("reply", replies), ("single send", notices)):
            worst = max(await reply_seconds(world, prompt, people))
            title = f"Worst {kind} of {scale.singles} beside {len(crowd)} {name} channels"
            bar = f"≤ quiet + {MOST_BEYOND_QUIET:.0f} s"
            reached = worst <= quiet[kind] + MOST_BEYOND_QUIET
            sheet.add(Figure(title, worst * 1000, "ms", "quiet", quiet[kind] * 1000, bar, reached))
        if name == "disabled":
            title = f"Idle beside {len(crowd)} disabled channels with due messages"
            await _idle(sheet, title, idle)
        await world.forget(crowd)
        await world.provider(100)


async def _idle(sheet: Sheet, name: str, alone: float | None) -> float:
    """Return the share of a core that the service uses without any requests."""
    with processes.cost() as cost:
        await asyncio.sleep(IDLE_SECONDS)
    ours = sum(cost.seconds.get(role, 0.0) for role in ("web", "worker", "beat", "Postgres"))
    share = 100 * ours / IDLE_SECONDS
    if alone is not None:
        sheet.add(Figure(name, share, "% of a core", "without them", alone))
    return share


async def paced(_world: World, _crowd: list[BenchChannel]) -> None:
    """One message a second each."""


async def slow(world: World, crowd: list[BenchChannel]) -> None:
    await world.misbehave("slow", crowd, seconds=SLOW_SECONDS)


async def refused(world: World, crowd: list[BenchChannel]) -> None:
    await world.misbehave("throttle", crowd)


async def disabled(world: World, crowd: list[BenchChannel]) -> None:
    for place in crowd:
        await world.disable(place)


CROWDS: dict[str, Change] = {
    "paced": paced,
    "slow": slow,
    "refused": refused,
    "disabled": disabled,
}
