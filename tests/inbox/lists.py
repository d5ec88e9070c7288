"""Helpers for messages whose webhooks are lost, and for readings of the provider's list."""

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
    """Write messages whose webhooks do not arrive."""
    with outage(world):
        for body in bodies:
            assert world.write(body=body, **what)["webhook_status"] != 200


def lose_hours_ago(world: World, hours: float, body: str, **what: Any) -> None:
    """Write a message, dated `hours` ago, whose webhook does not arrive."""
    written = (clock.now() - timedelta(hours=hours)).timestamp()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inbound, "time", SimpleNamespace(time=lambda: written))
        lose(world, body, **what)


def grow_old(world: World, days: int = 20) -> None:
    """Date the channel `days` days back, as if its list had not been read since."""
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
    """Apply the inbox, and return what customers wrote, oldest first."""
    world.apply()
    query = "select body from recado.messages where direction = 'incoming' order by id"
    return [row.body for row in world.sql(query)]


def listed(world: World, kind: str = "list") -> list[dict[str, Any]]:
    """Return the requests of this kind that the provider got for this business, in order."""
    account = world.channel.account
    return [each for each in world.simulator.log(kind) if each["account"] == account]


def watch_the_question(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Make the provider's list empty; return the start times that it is requested with."""
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
    """Set faults of the provider, for this business only, until `calm` is called."""
    account = {"account": world.channel.account}
    plan = {kind: [{**each, **account} for each in rules] for kind, rules in faults.items()}
    world.simulator.control("PUT", "/faults", plan)


def calm(world: World) -> None:
    world.simulator.control("DELETE", "/faults")


def second(moment: datetime) -> datetime:
    """Truncate to whole seconds, as in the provider's list."""
    return moment.astimezone(UTC).replace(microsecond=0)
