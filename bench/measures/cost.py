"""The CPU that a webhook, a receipt and a send cost, as multiples of an empty request's."""

from bench import limits, processes
from bench.figures import Figure, Sheet
from bench.load import Outcome, at_rate
from bench.measures.accept import sends
from bench.measures.webhook import signed_receipts
from bench.scale import Scale
from bench.world import BenchChannel, World

RATE = 150
"""Per second: high enough that the scheduler's own work hardly counts, low enough that no core is
full."""

WARM_UP_SECONDS = 2.0
PEOPLE = 2_000
MOST_OF_WEB, MOST_OF_RECEIPT, MOST_OF_SEND = 3.0, 5.0, 8.0
SERVICE = ("web", "worker", "beat", "Postgres", "Valkey")


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    empty = await limits.empty_cost(RATE, scale.cost_seconds)
    limit = ("an empty Flask route", empty)
    (place,) = await world.tenant()
    await world.provider(100, callbacks=False)
    web, receipt, note = await _receipts(world, place, scale)
    _add(sheet, "CPU of a webhook in the web service", web, limit, MOST_OF_WEB, "")
    _add(sheet, "CPU of a receipt until it is applied", receipt, limit, MOST_OF_RECEIPT, note)
    send, note = await _sends(world, scale)
    _add(sheet, "CPU of a send until the provider has it", send, limit, MOST_OF_SEND, note)


def _add(
    sheet: Sheet, title: str, value: float, limit: tuple[str, float], most: float, note: str
) -> None:
    reached = value <= most * limit[1]
    sheet.add(Figure(title, value, "ms", *limit, f"≤ {most:.0f} ×", reached, note))


async def _receipts(world: World, place: BenchChannel, scale: Scale) -> tuple[float, float, str]:
    """Return (web service, all, by role) in ms of CPU for each receipt."""
    posts = int(RATE * scale.cost_seconds) + 100
    seeded = world.seed_messages(place, posts // 3 + 1, "accepted")
    world.analyze()
    # Prepared in advance: signing is the provider's work, not this machine's.
    shots = iter(list(signed_receipts(place, seeded)))
    with processes.cost() as cost:
        outcome = await at_rate(shots, RATE, scale.cost_seconds)
        await world.quiet(place)
    _refuse_bad(outcome)
    web = 1000 * cost.seconds.get("web", 0.0) / outcome.good
    return web, _of_service(cost, outcome), cost.each(outcome.good)


async def _sends(world: World, scale: Scale) -> tuple[float, str]:
    """Return (all, by role) in ms of CPU for each send."""
    places = await world.tenant(channels=4)
    each = [sends(world, place, _numbers(world, place)) for place in places]
    shots = (next(turn) for _ in iter(int, 1) for turn in each)
    await at_rate(shots, RATE, WARM_UP_SECONDS)
    world.analyze()
    with processes.cost() as cost:
        outcome = await at_rate(shots, RATE, scale.cost_seconds)
        await world.quiet(places[0])
    _refuse_bad(outcome)
    return _of_service(cost, outcome), cost.each(outcome.good)


def _numbers(world: World, place: BenchChannel) -> list[str]:
    return [number for _, _, number in world.seed_people(place, PEOPLE // 4)]


def _of_service(cost: processes.Cost, outcome: Outcome) -> float:
    return 1000 * sum(cost.seconds.get(role, 0.0) for role in SERVICE) / outcome.good


def _refuse_bad(outcome: Outcome) -> None:
    if outcome.bad:
        raise RuntimeError(f"{outcome.bad} requests were not answered well.")
