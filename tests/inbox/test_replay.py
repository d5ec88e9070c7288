"""Parked items are applied once the cause is fixed; applied ones are left alone."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app.common import clock
from app.inbox import apply
from app.models import Channel, Tenant
from tests.factories import ApiClient, create_channel
from tests.inbox.test_ledger import ledger_of, park, parts
from tests.webhook.twilio_posts import inbound, tell


@pytest.fixture
def channel(tenant: Tenant) -> Channel:
    return create_channel(tenant.id, is_default=True)


@pytest.fixture
def parked(
    app: Flask, channel: Channel, signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Return the ids of three parked items, the newest first."""
    for number in range(3):
        tell(app, channel, inbound(channel, f"SM{number}", Body=f"number {number}"))
    park(channel, monkeypatch)
    items = signed_in.get("/api/inbox/items", query={"state": "parked"}).json["items"]
    assert len(items) == 3
    return [item["id"] for item in items]


def apply_all(channel: Channel) -> None:
    while apply.apply_due(channel.tenant_id):
        pass


def heard(client: ApiClient) -> list[str]:
    return [each["body"] for each in client.get("/api/messages").json["messages"]]


def actions(client: ApiClient) -> list[str]:
    return [each["action"] for each in client.get("/tenants/me/audit").json["items"]]


def test_one_item_is_applied_again(
    channel: Channel, signed_in: ApiClient, parked: list[str]
) -> None:
    answer = signed_in.post(f"/api/inbox/items/{parked[0]}/replay")
    assert (answer.status_code, answer.json["state"], answer.json["tries"]) == (200, "received", 0)
    apply_all(channel)
    assert heard(signed_in) == ["number 2"]
    assert parts(ledger_of(signed_in)) == {"applied": 1, "parked": 2}
    assert "inbox.replayed" in actions(signed_in)


def test_a_span_of_time_is_applied_again(
    channel: Channel, signed_in: ApiClient, parked: list[str]
) -> None:
    hour = timedelta(hours=1)
    past = {"until": clock.isoformat(clock.now() - hour)}
    assert signed_in.post("/api/inbox/replay", past).json == {"replayed": 0, "has_more": False}
    recent = {"since": clock.isoformat(clock.now() - hour)}
    assert signed_in.post("/api/inbox/replay", recent).json["replayed"] == 3
    apply_all(channel)
    assert heard(signed_in) == ["number 2", "number 1", "number 0"]
    assert parts(ledger_of(signed_in)) == {"applied": 3}
    assert "inbox.range_replayed" in actions(signed_in)


def test_an_item_that_still_fails_is_parked_again_after_three_more_tries(
    channel: Channel, signed_in: ApiClient, parked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_in.post(f"/api/inbox/items/{parked[0]}/replay")
    park(channel, monkeypatch)
    item = signed_in.get(f"/api/inbox/items/{parked[0]}").json
    assert (item["state"], item["tries"]) == ("parked", 3)


def test_what_was_applied_is_never_replayed(
    app: Flask, channel: Channel, signed_in: ApiClient
) -> None:
    tell(app, channel, inbound(channel))
    apply_all(channel)
    (item,) = signed_in.get("/api/inbox/items").json["items"]
    refused = signed_in.post(f"/api/inbox/items/{item['id']}/replay")
    assert (refused.status_code, refused.json["code"]) == (409, "cannot_replay")
    wanted: dict[str, Any] = {"state": "applied"}
    assert signed_in.post("/api/inbox/replay", wanted).status_code == 422
    apply_all(channel)
    assert len(heard(signed_in)) == 1


def test_replaying_twice_applies_once(
    channel: Channel, signed_in: ApiClient, parked: list[str]
) -> None:
    path = f"/api/inbox/items/{parked[0]}/replay"
    assert [signed_in.post(path).status_code for _ in range(2)] == [200, 409]
    apply_all(channel)
    assert heard(signed_in) == ["number 2"]
