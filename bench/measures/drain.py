"""Drains: how fast queued messages reach a provider that takes 100 ms for each."""

from itertools import cycle
from urllib.parse import urlencode

import aiohttp

from bench import processes
from bench.figures import Figure, Sheet
from bench.load import Shot, flat_out
from bench.scale import Scale
from bench.world import BenchChannel, Handed, World, most_in_a_second

LATENCY_MS = 100
BUCKET = 80
EIGHT = 8
LEAST_OF_EIGHT = 400.0


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    await world.provider(LATENCY_MS, callbacks=False)
    places = await world.tenant(channels=EIGHT)
    direct = await _asked_directly(world, places, scale.limit_seconds)
    one = await drained(world, places[:1], scale.one_channel)
    most = most_in_a_second([each.at for each in one])
    rate = rate_of(one)
    sheet.add(
        Figure(
            "One channel drained",
            rate,
            "/s",
            "its bucket",
            BUCKET,
            f"{BUCKET}/s, no second above",
            reached=most <= BUCKET and rate >= 0.95 * BUCKET,
            note=f"at most {most} in any second",
        )
    )
    with processes.cost() as cost:
        eight = await drained(world, places, scale.each_of_eight)
    worst = max(_most_of_each(eight))
    sheet.add(
        Figure(
            "Eight channels drained",
            rate_of(eight),
            "/s",
            "the provider called by bare aiohttp",
            direct,
            f"≥ {LEAST_OF_EIGHT:.0f}/s",
            reached=rate_of(eight) >= LEAST_OF_EIGHT and worst <= BUCKET,
            note=f"at most {worst} of one channel in any second; {cost.each(len(eight))}",
        )
    )


async def drained(world: World, places: list[BenchChannel], each: int) -> list[Handed]:
    """Queue so many on each channel of a tenant and wait; return what arrived, in the provider's
    order.

    Raises RuntimeError if some did not arrive.
    """
    start = await world.log_end()
    for place in places:
        world.seed_messages(place, each)
    await world.quiet(places[0])
    handed = await world.handed_over(start)
    if len(handed) < each * len(places):
        raise RuntimeError(f"Of {each * len(places)} messages {len(handed)} were handed over.")
    return handed


def rate_of(handed: list[Handed]) -> float:
    """Return the messages per second between the first and the last."""
    if len(handed) < 2:
        return 0.0
    return (len(handed) - 1) / (handed[-1].at - handed[0].at)


def _most_of_each(handed: list[Handed]) -> list[int]:
    moments: dict[str, list[float]] = {}
    for each in handed:
        moments.setdefault(each.sender, []).append(each.at)
    return [most_in_a_second(each) for each in moments.values()]


async def _asked_directly(world: World, places: list[BenchChannel], seconds: float) -> float:
    """Return how many calls this provider takes from a caller that does nothing else, with the same
    concurrency."""
    shots = []
    for place in places:
        form = {
            "From": f"whatsapp:{place.number}",
            "To": f"whatsapp:{world.new_number()}",
            "Body": "bench",
        }
        url = f"{world.simulator_url}/2010-04-01/Accounts/{place.account}/Messages.json"
        headers = {
            "Authorization": aiohttp.BasicAuth(place.account, place.auth_token).encode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        shots.append(Shot(url, urlencode(form).encode(), headers))
    return (await flat_out(cycle(shots), 32 * len(places) // 2, seconds)).rate
