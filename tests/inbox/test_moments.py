"""Times near the limits of the date type are handled like any other."""

from typing import Any

import pytest
from flask import Flask

from app.inbox import apply
from app.models import Channel, Tenant
from tests.factories import ApiClient, create_channel
from tests.webhook.twilio_posts import inbound, tell

LONG_AGO = ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+05:00", "1969-12-31T23:59:59Z")
FAR_OFF = ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59-05:00")


@pytest.fixture
def channel(app: Flask, tenant: Tenant) -> Channel:
    """A channel with one applied message."""
    channel = create_channel(tenant.id, is_default=True)
    tell(app, channel, inbound(channel, "SM1"))
    apply.apply_due(tenant.id)
    return channel


def counts(client: ApiClient, **span: str) -> list[int]:
    """Return how many items ledger and list find in the time range; replay must accept it too."""
    ledger = client.get("/api/inbox/ledger", query=span)
    items = client.get("/api/inbox/items", query=span)
    replay = client.post("/api/inbox/replay", span)
    answers: list[Any] = [ledger, items, replay]
    assert [each.status_code for each in answers] == [200, 200, 200], [
        each.text for each in answers
    ]
    return [ledger.json["received"], len(items.json["items"])]


@pytest.mark.parametrize("moment", LONG_AGO)
def test_everything_is_since_long_ago(channel: Channel, signed_in: ApiClient, moment: str) -> None:
    assert counts(signed_in, since=moment) == [1, 1]
    assert counts(signed_in, until=moment) == [0, 0]


@pytest.mark.parametrize("moment", FAR_OFF)
def test_nothing_is_since_far_off(channel: Channel, signed_in: ApiClient, moment: str) -> None:
    assert counts(signed_in, since=moment) == [0, 0]
    assert counts(signed_in, since=LONG_AGO[0], until=moment) == [1, 1]
