"""One tenant's reply while another tenant has a campaign queued."""

import asyncio
from uuid import uuid4

import aiohttp

from bench.figures import Figure, Sheet
from bench.load import percentile
from bench.scale import Scale
from bench.world import Place, World, now

BETWEEN_SECONDS = 0.25
MOST_RATIO = 1.2


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    await world.provider(100)
    (busy,) = await world.tenant()
    (quiet,) = await world.tenant()
    people = [number for _, _, number in world.seed_people(quiet, scale.replies)]
    await reply_seconds(world, quiet, people[:4])
    alone = await reply_seconds(world, quiet, people)
    world.seed_messages(busy, scale.backlog)
    await asyncio.sleep(3.0)
    beside = await reply_seconds(world, quiet, people)
    left = world.unfinished(busy)
    world.forget_queued(busy)
    await world.quiet(busy)
    for share in (0.5, 0.95):
        value, limit = (percentile(each, share) * 1000 for each in (beside, alone))
        is_bar = share == 0.95
        sheet.add(
            Figure(
                f"Reply beside {scale.backlog:,} queued, p{share * 100:.0f}",
                value,
                "ms",
                "without them",
                limit,
                "≤ 1.2 ×" if is_bar else "",
                value <= MOST_RATIO * limit and len(beside) == len(people) if is_bar else None,
                note=f"{len(beside)} of {len(people)} arrived, {left:,} still queued"
                if is_bar
                else "",
            )
        )


async def reply_seconds(world: World, place: Place, people: list[str]) -> list[float]:
    """Seconds from our POST to the provider's log, for a reply to each of these people."""
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
            await asyncio.sleep(BETWEEN_SECONDS)
    await asyncio.sleep(3.0)
    return [
        each.at - sent[each.body] for each in await world.handed_over(start) if each.body in sent
    ]
