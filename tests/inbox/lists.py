"""Messages that no webhook reports, and readings of the provider's list."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from app.channels.providers.base import HeardPage, Listing
from app.channels.providers.twilio.client import TwilioClient
from app.common import clock
from app.inbox import repair
from app.inbox.repair import PageResult, Repaired
from simulator.twilio import inbound
from tests.world import World

NOBODY = "http://127.0.0.1:9/webhook"
"""The discard port, where nothing listens."""


@contextmanager
def outage(world: World) -> Iterator[None]:
    """Make every webhook fail to reach us."""
    point_webhooks_at(world, NOBODY)
    try:
        yield
    finally:
        point_webhooks_at(world, f"{world.base_url}/webhook/twilio")


def point_webhooks_at(world: World, url: str) -> None:
    sender = f"whatsapp:{world.channel.phone_number}"
    world.simulator.control("PUT", f"/senders/{sender}", {"inbound_url": url})


def lose(world: World, *bodies: str, **what: Any) -> None:
    """Write messages whose webhooks reach nobody."""
    with outage(world):
        for body in bodies:
            assert world.write(body=body, **what)["webhook_status"] != 200


def lose_hours_ago(world: World, hours: float, body: str, **what: Any) -> None:
    """A lost message that was written then."""
    written = (clock.now() - timedelta(hours=hours)).timestamp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inbound, "time", SimpleNamespace(time=lambda: written))
        lose(world, body, **what)


def grow_old(world: World, days: int = 20) -> None:
    """Date the channel back to then, with nothing compared since."""
    world.sql(
        "update recado.channels set created_at = now() - make_interval(days => :days),"
        " heard_until = now() - make_interval(days => :days)",
        days=days,
    )


def ask(world: World, **body: Any) -> dict[str, Any]:
    """Request a reading, as if none had been tried lately; return the API's answer."""
    world.sql("update recado.channels set repair_tried_at = null")
    answer = world.owner.post("/api/inbox/repair", body)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json
    return found


def make_due(world: World) -> None:
    world.sql("update recado.channels set repair_at = now()")


def run(world: World, still_coming: timedelta = timedelta(0)) -> Repaired | None:
    return repair.read_list(world.tenant.id, world.channel.id, still_coming=still_coming)


def step(world: World) -> PageResult:
    return repair.read_page(world.tenant.id, world.channel.id, still_coming=timedelta(0))


def heard(world: World) -> list[str]:
    """Return what customers wrote, oldest first."""
    world.apply()
    query = "select body from recado.messages where direction = 'incoming' order by id"
    return [row.body for row in world.sql(query)]


def listed(world: World, kind: str = "list") -> list[dict[str, Any]]:
    """Return what the provider was asked for on behalf of this business, in order."""
    account = world.channel.account
    return [each for each in world.simulator.log(kind) if each["account"] == account]


def watch_the_question(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Record the times since which the list is requested; the list is empty."""
    asked: list[datetime] = []

    def listen(_client: Any, listing: Listing) -> HeardPage:
        asked.append(listing.since)
        return HeardPage([])

    monkeypatch.setattr(TwilioClient, "heard_messages", listen)
    return asked


def channel_row(world: World) -> Any:
    (row,) = world.sql("select *, now() from recado.channels where id = :id", id=world.channel.id)
    return row


def disturb(world: World, **faults: list[dict[str, Any]]) -> None:
    """Set faults of the provider for this business alone, until `calm`."""
    account = {"account": world.channel.account}
    plan = {kind: [{**each, **account} for each in rules] for kind, rules in faults.items()}
    world.simulator.control("PUT", "/faults", plan)


def calm(world: World) -> None:
    world.simulator.control("DELETE", "/faults")


def second(moment: datetime) -> datetime:
    """Truncate to the second, as the provider's list has it."""
    return moment.astimezone(UTC).replace(microsecond=0)
