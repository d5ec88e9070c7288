"""POST /api/send: how many a second are made durable, and how long each waits for its 202."""

import json
from collections.abc import Callable, Iterator

from flask import Flask

from bench import limits, processes, tape
from bench.application import quiet_app
from bench.figures import Figure, Sheet
from bench.load import Shot, at_rate, flat_out
from bench.scale import Scale
from bench.world import Place, World

CONNECTIONS = 32
STEADY = 100
LEAST_RATE = 250.0
PEOPLE = 2_000


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    await world.provider(100)
    (place,) = await world.tenant()
    numbers = [number for _, _, number in world.seed_people(place, PEOPLE)]
    shots = sends(world, place, numbers)
    body = next(shots).body
    empty = await limits.empty_route(body, CONNECTIONS, scale.limit_seconds)
    send = one_send(quiet_app(), place, numbers[0])
    bare = tape.limit(send, world.connect, scale.limit_seconds)
    steady = await at_rate(shots, STEADY, scale.accept_seconds)
    world.forget_queued(place)
    with processes.cost() as cost:
        full = await flat_out(shots, CONNECTIONS, scale.accept_seconds)
    world.forget_queued(place)
    note = f"{full.bad} not accepted, p99 {full.percentile(0.99):.0f} ms at {CONNECTIONS} at once"
    bar = f"≥ {LEAST_RATE:.0f}/s"
    reached = full.rate >= LEAST_RATE and not full.bad
    name = "Sends accepted"
    sheet.add(Figure(name, full.rate, "/s", "an empty Flask route", empty.rate, bar, reached, note))
    sheet.add(
        Figure(name, full.rate, "/s", "its SQL by bare psycopg2", bare, note=cost.each(full.good))
    )
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
