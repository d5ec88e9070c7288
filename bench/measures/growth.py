"""Whether the most frequent queries stay as fast when the database grows."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from statistics import median
from uuid import UUID

from sqlalchemy import event, select
from sqlalchemy.orm import Session

from app import config, db
from app.common import clock
from app.common.pagination import PageRequest
from app.common.phone import Address, AddressKind
from app.conversations import service as conversations
from app.conversations.service import ConversationFilter
from app.delivery import repository as delivery
from app.messages import lists
from app.messages import service as messages
from app.messages.lists import MessageFilter
from app.models import Conversation, Priority
from app.tasks import schedule
from app.tasks.due import FIRST
from bench import grown
from bench.figures import Figure, Sheet
from bench.measures.fairness import reply_seconds
from bench.scale import Scale
from bench.world import BenchChannel, World

MOST_MS = 20.0
MOST_SLOWER = 1.5
REPLY = "A reply, from our POST to the provider"
DUE = "Look for due messages"
TICK = "The scheduler's tick"
OURS = frozenset({REPLY, DUE, TICK})
REPEATS = 15
ROOM = 80
PAGE = PageRequest(50)

Look = Callable[[Session], object]


async def measure(world: World, scale: Scale, sheet: Sheet) -> None:
    """Run the same queries in a small database, and in the same one after it has grown."""
    db.init(config.current())
    places = [place for _ in grown.SHARES for place in await world.tenant()]
    grown.grow(world, places, scale.growth_from)
    before = await _asked(world, places)
    grown.grow(world, places, scale.growth_messages, scale.growth_from)
    after = await _asked(world, places)
    for name, milliseconds in after.items():
        sheet.add(
            Figure(
                f"{name}, of {scale.growth_messages:,} messages",
                milliseconds,
                "ms",
                f"{scale.growth_from:,}",
                before[name],
                *_bar(name, milliseconds, before[name]),
            )
        )


def _bar(name: str, milliseconds: float, before: float) -> tuple[str, bool]:
    """Queries of people take MOST_MS at most; our own work is as fast as before."""
    if name in OURS:
        return f"≤ {MOST_SLOWER} × as before", milliseconds <= MOST_SLOWER * before
    return f"≤ {MOST_MS:.0f} ms in the database", milliseconds <= MOST_MS


async def _asked(world: World, places: list[BenchChannel]) -> dict[str, float]:
    """Return the milliseconds of each query, and of a whole reply until the provider has it."""
    people = [number for _, _, number in world.seed_people(places[0], REPEATS)]
    await reply_seconds(world, places[0], people[:4])
    reply = median(await reply_seconds(world, places[0], people))
    return {REPLY: reply * 1000, **_looked(places)}


def _looked(places: list[BenchChannel]) -> dict[str, float]:
    """Return the median milliseconds of each query: of the tenant with most messages, but searches
    of the one with fewest, whose blocks are all written first."""
    largest, smallest = places[0], places[-1]
    while messages.index_text(smallest.tenant_id):
        pass
    found = {name: _timed(largest.tenant_id, look) for name, look in _looks(largest).items()}
    for name, wanted in {
        "Search for a common text": "pedido",
        "Search for a rare text": "mañana 4321",
        "Search for an absent text": "inexistente",
    }.items():
        found[name] = _timed(smallest.tenant_id, _listed(MessageFilter(q=wanted)))
    found[TICK] = _timed(None, _tick)
    return found


def _looks(place: BenchChannel) -> dict[str, Look]:
    with db.tenant_session(place.tenant_id) as session:
        thread = session.scalars(select(Conversation).limit(1)).one()
    phone = Address(AddressKind.PHONE, thread.address)
    half_a_year = clock.now() - timedelta(days=180)
    day = MessageFilter(since=half_a_year, until=half_a_year + timedelta(days=1))
    return {
        DUE: lambda session: delivery.due(session, place.channel_id, Priority.BULK, ROOM),
        "History of a conversation": lambda session: lists.history_page(session, thread.id, PAGE),
        "List of messages": _listed(MessageFilter()),
        "List by phone": _listed(MessageFilter(phone=phone)),
        "List by phone, old span": _listed(replace(day, phone=phone)),
        "List by rare status": _listed(MessageFilter(status="unknown")),
        "List of an old span": _listed(day),
        "Search too short for an index": _listed(MessageFilter(q="zq")),
        "List of conversations": lambda session: conversations.list_page(
            session, ConversationFilter(), PAGE
        ),
        "List of conversations of people": lambda session: conversations.list_page(
            session, ConversationFilter(owner="human"), PAGE
        ),
    }


def _listed(wanted: MessageFilter) -> Look:
    return lambda session: lists.list_page(session, wanted, PAGE)


def _tick(session: Session) -> None:
    for kind in schedule.DUE:
        first = {f"after_{column}": FIRST for column in kind.key}
        session.execute(kind.query, {"most": kind.most, **first, **kind.parameters()}).all()


def _timed(tenant_id: UUID | None, look: Look) -> float:
    """Return the median milliseconds in the database; without a tenant, in a system session.

    The time from each statement to its first row counts, without Python's processing of it.
    """
    taken = []
    for _ in range(REPEATS):
        opened = db.tenant_session(tenant_id) if tenant_id else db.system_session()
        with opened as session, _stopwatch(session) as seconds:
            look(session)
        taken.append(1000 * sum(seconds))
    return median(taken)


@contextmanager
def _stopwatch(session: Session) -> Iterator[list[float]]:
    """Record the seconds of each statement of this session."""
    connection, began = session.connection(), [0.0]
    seconds: list[float] = []

    def start(*_: object) -> None:
        began[0] = time.perf_counter()

    def stop(*_: object) -> None:
        seconds.append(time.perf_counter() - began[0])

    event.listen(connection, "before_cursor_execute", start)
    event.listen(connection, "after_cursor_execute", stop)
    yield seconds
