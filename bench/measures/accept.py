"""POST /api/send: how many a second are made durable, and how long each waits for its 202."""

import json
from collections.abc import Callable, Iterator

from flask import Flask

from bench import limits, processes, tape
from bench.application import quiet_app
from bench.figures import Figure, Sheet
from bench.load import Outcome, Shot, at_rate, flat_out
from bench.scale import Scale
from bench.world import Place, World

CONNECTIONS = 32
STEADY = 100
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
    await _steady(shots, scale, sheet)
    world.forget_queued(place)
    await world.quiet(place)
    await world.provider(100)
    with processes.cost() as cost:
        beside = await _flat_out(world, place, shots, scale)
    name = "Sends accepted while receipts come in"
    costs = cost.each(beside.good)
    sheet.add(Figure(name, beside.rate, "/s", "without receipts", alone.rate, note=costs))


async def _flat_out(world: World, place: Place, shots: Iterator[Shot], scale: Scale) -> Outcome:
    outcome = await flat_out(shots, CONNECTIONS, scale.accept_seconds)
    world.forget_queued(place)
    await world.quiet(place)
    return outcome


async def _steady(shots: Iterator[Shot], scale: Scale, sheet: Sheet) -> None:
    steady = await at_rate(shots, STEADY, scale.accept_seconds)
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


def sends(world: World, place: Place, numbers: list[str]) -> Iterator[Shot]:
    """One text to each of these people, over and over."""
    number = 0
    while True:
        body = {"to_number": numbers[number % len(numbers)], "body": f"bench {number}"}
        yield Shot(f"{world.web_url}/api/send", json.dumps(body).encode(), place.headers)
        number += 1


def one_send(app: Flask, place: Place, number: str) -> Callable[[], object]:
    def send() -> object:
        body = {"to_number": number, "body": "bench"}
        answer = app.test_client().post("/api/send", json=body, headers=place.headers)
        if answer.status_code != 202:
            raise RuntimeError(f"A send was answered {answer.status_code}.")
        return answer

    return send
