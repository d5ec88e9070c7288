"""POST /api/send: how many a second are stored, how long each waits for its 202, and how long after
that it reaches the provider."""

import json
from collections.abc import Callable, Iterator
from itertools import cycle
from uuid import uuid4

from flask import Flask

from bench import limits, processes, tape
from bench.application import quiet_app
from bench.figures import Figure, Sheet
from bench.load import Outcome, Shot, at_rate, flat_out, percentile
from bench.scale import Scale
from bench.world import BenchChannel, World

CONNECTIONS = 32
STEADY = 100
STEADY_CHANNELS = 4
"""More than one, because one channel sends at most 80 messages a second."""

MOST_SECONDS_TO_PROVIDER = 2.0
LEAST_RATE = 250.0
PEOPLE = 2_000


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    (place,) = await world.tenant()
    numbers = [number for _, _, number in world.seed_people(place, PEOPLE)]
    shots = sends(world, place, numbers)
    empty = await limits.empty_route(next(shots).body, CONNECTIONS, scale.limit_seconds)
    send = one_send(quiet_app(), place, numbers[0])
    bare = tape.limit(send, world.connect, scale.limit_seconds)
    await world.provider(100, callbacks=False)
    with processes.cost() as cost:
        alone = await _flat_out(world, place, shots, scale)
    note = f"{alone.bad} not accepted, p99 {alone.percentile(0.99):.0f} ms at {CONNECTIONS} at once"
    bar = f"≥ {LEAST_RATE:.0f}/s"
    reached = alone.rate >= LEAST_RATE and not alone.bad
    limit = "an empty Flask route"
    sheet.add(Figure("Sends accepted", alone.rate, "/s", limit, empty.rate, bar, reached, note))
    limit = "its SQL by bare psycopg2"
    costs = cost.each(alone.good)
    sheet.add(Figure("Sends accepted", alone.rate, "/s", limit, bare, note=costs))
    await _steady(world, scale, sheet)
    await world.provider(100)
    with processes.cost() as cost:
        beside = await _flat_out(world, place, shots, scale)
    name = "Sends accepted while receipts come in"
    costs = cost.each(beside.good)
    sheet.add(Figure(name, beside.rate, "/s", "without receipts", alone.rate, note=costs))


async def _flat_out(
    world: World, place: BenchChannel, shots: Iterator[Shot], scale: Scale
) -> Outcome:
    outcome = await flat_out(shots, CONNECTIONS, scale.accept_seconds)
    await world.quiet(place, forget=True)
    return outcome


async def _steady(world: World, scale: Scale, sheet: Sheet) -> None:
    places = await world.tenant(channels=STEADY_CHANNELS)
    shots = _in_turn(world, places)
    start = await world.log_end()
    steady = await at_rate(shots, STEADY, scale.accept_seconds)
    await world.quiet(places[0])
    p99 = steady.percentile(0.99)
    sheet.add(
        Figure(
            f"202 at {STEADY}/s, p99",
            p99,
            "ms",
            bar="≤ 200 ms",
            reached=p99 <= 200 and not steady.bad,
            note=f"median {steady.percentile(0.5):.0f} ms",
        )
    )
    taken = await _seconds_to_provider(world, start, steady)
    p95 = percentile(taken, 0.95)
    sheet.add(
        Figure(
            f"Accepted → provider at {STEADY}/s, p95",
            p95 * 1000,
            "ms",
            bar=f"≤ {MOST_SECONDS_TO_PROVIDER:.0f} s",
            reached=p95 <= MOST_SECONDS_TO_PROVIDER,
            note=f"median {percentile(taken, 0.5) * 1000:.0f} ms, {len(taken)} messages on"
            f" {STEADY_CHANNELS} channels",
        )
    )


def _in_turn(world: World, places: list[BenchChannel]) -> Iterator[Shot]:
    """Send on each of the channels in turn, over and over."""
    each = PEOPLE // len(places)
    turns = [
        sends(world, place, [number for _, _, number in world.seed_people(place, each)])
        for place in places
    ]
    return (next(turn) for turn in cycle(turns))


async def _seconds_to_provider(world: World, start: int, outcome: Outcome) -> list[float]:
    """Return the time from the client's 202 to the provider's log; negative if that was sooner.

    Raises RuntimeError if an accepted message did not arrive.
    """
    arrived = {each.body: each.at for each in await world.handed_over(start)}
    accepted = {json.loads(body)["body"]: at for body, at in outcome.answered.items()}
    if lost := accepted.keys() - arrived.keys():
        raise RuntimeError(f"{len(lost)} of {len(accepted)} accepted messages did not arrive.")
    return [arrived[body] - at for body, at in accepted.items()]


def sends(world: World, place: BenchChannel, numbers: list[str]) -> Iterator[Shot]:
    """Yield one text to each of these people, over and over, each text a different one."""
    for number in cycle(numbers):
        body = {"from_number": place.number, "to_number": number, "body": f"bench {uuid4()}"}
        yield Shot(f"{world.web_url}/api/send", json.dumps(body).encode(), place.headers)


def one_send(app: Flask, place: BenchChannel, number: str) -> Callable[[], object]:
    def send() -> object:
        body = {"from_number": place.number, "to_number": number, "body": "bench"}
        answer = app.test_client().post("/api/send", json=body, headers=place.headers)
        if answer.status_code != 202:
            raise RuntimeError(f"A send was answered {answer.status_code}.")
        return answer

    return send
