"""received = applied + duplicate + ignored + parked + waiting, for every input."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app import db
from app.common import clock
from app.inbox import apply
from app.messages import service as messages
from app.models import Channel, Role, Tenant
from tests.conftest import SignIn
from tests.factories import ApiClient, create_channel
from tests.webhook.twilio_posts import inbound, receipt, tell

PARTS = ("applied", "duplicate", "ignored", "parked", "waiting")


@pytest.fixture
def channel(tenant: Tenant) -> Channel:
    return create_channel(tenant.id, is_default=True)


def ledger_of(client: ApiClient, **query: Any) -> dict[str, Any]:
    answer = client.get("/api/inbox/ledger", query=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    assert found["received"] == sum(found[part] for part in PARTS)
    return found


def parts(found: dict[str, Any]) -> dict[str, int]:
    return {part: found[part] for part in PARTS if found[part]}


def break_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("poisoned")

    monkeypatch.setattr(messages, "receive", refuse)


def park(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make applying fail until the waiting items are parked."""
    with monkeypatch.context() as patch:
        break_messages(patch)
        patch.setattr(apply, "RETRY_AFTER", timedelta(0))
        while apply.apply_due(channel.tenant_id):
            pass


def test_what_is_told_waits_until_it_is_applied(
    app: Flask, channel: Channel, signed_in: ApiClient
) -> None:
    tell(app, channel, inbound(channel, "SM1"))
    assert parts(ledger_of(signed_in)) == {"waiting": 1}
    apply.apply_due(channel.tenant_id)
    assert parts(ledger_of(signed_in)) == {"applied": 1}


def test_everything_that_came_is_in_one_of_its_columns(
    app: Flask, channel: Channel, signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(app, channel, inbound(channel, "SM1"))
    park(channel, monkeypatch)
    for _ in range(3):
        tell(app, channel, inbound(channel, "SM2"))
    tell(app, channel, receipt(channel, "SM9", "queued"))
    tell(app, channel, inbound(channel, "SM3"))
    while apply.apply_due(channel.tenant_id):
        pass
    tell(app, channel, inbound(channel, "SM4"))
    found = ledger_of(signed_in)
    assert found["received"] == 7
    assert parts(found) == {"applied": 2, "duplicate": 2, "ignored": 1, "parked": 1, "waiting": 1}


def test_it_counts_only_the_span_that_was_asked_for(
    app: Flask, channel: Channel, signed_in: ApiClient
) -> None:
    tell(app, channel, inbound(channel, "SM1"))
    now = clock.now()
    hour = timedelta(hours=1)
    later = {"since": clock.isoformat(now + hour), "until": clock.isoformat(now + 2 * hour)}
    assert ledger_of(signed_in, **later)["received"] == 0
    around = {"since": clock.isoformat(now - hour), "until": clock.isoformat(now + hour)}
    assert ledger_of(signed_in, **around)["received"] == 1


def test_a_parked_item_is_listed_with_its_reason_and_shown_word_for_word(
    app: Flask, channel: Channel, signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(app, channel, inbound(channel, "SM1", Body="palabra por palabra"))
    park(channel, monkeypatch)
    page = signed_in.get("/api/inbox/items", query={"state": "parked"}).json
    (item,) = page["items"]
    assert (item["reason"], item["tries"]) == ("ValueError: poisoned", 3)
    assert "raw" not in item
    shown = signed_in.get(f"/api/inbox/items/{item['id']}").json
    assert "Body=palabra+por+palabra" in shown["raw"]


@pytest.mark.parametrize(("taken", "state"), [(5, "applied"), (apply.MOST_LOST, "parked")])
def test_an_item_is_parked_only_after_many_workers_died_of_it(
    app: Flask, channel: Channel, signed_in: ApiClient, taken: int, state: str
) -> None:
    """When a worker dies, its whole batch counts a try, although most items were not begun."""
    tell(app, channel, inbound(channel, "SM1"))
    with db.tenant_session(channel.tenant_id) as session:
        session.execute(text("update recado.inbox_items set tries = :taken"), {"taken": taken})
    apply.apply_due(channel.tenant_id)
    (item,) = signed_in.get("/api/inbox/items").json["items"]
    assert item["state"] == state


def test_items_come_in_pages(app: Flask, channel: Channel, signed_in: ApiClient) -> None:
    for number in range(3):
        tell(app, channel, inbound(channel, f"SM{number}"))
    first = signed_in.get("/api/inbox/items", query={"limit": 2}).json
    assert [each["event_key"] for each in first["items"]] == ["in:SM2", "in:SM1"]
    query = {"limit": 2, "cursor": first["next_cursor"]}
    rest = signed_in.get("/api/inbox/items", query=query).json
    assert [each["event_key"] for each in rest["items"]] == ["in:SM0"]


@pytest.mark.parametrize("role", [Role.AGENT, Role.VIEWER])
def test_it_is_for_owners_and_admins(sign_in: SignIn, role: Role) -> None:
    assert sign_in(role).get("/api/inbox/ledger").status_code == 403
    assert sign_in(Role.ADMIN).get("/api/inbox/ledger").status_code == 200


def test_an_api_key_cannot_read_it(with_api_key: ApiClient) -> None:
    assert with_api_key.get("/api/inbox/ledger").status_code == 403
