"""A provider's event is stored once before the answer, and then applied once."""

import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app import db
from app.bots import service as bots
from app.common import clock
from app.inbox import apply
from app.messages import service as messages
from app.models import Channel, Conversation, KeywordReply, Message, Owner, Tenant
from app.webhook import receive
from tests.common.census import row_counts
from tests.factories import ApiClient, create_channel, create_contact, create_conversation, save
from tests.webhook.twilio_posts import inbound, ledger, receipt, tell


@pytest.fixture
def channel(tenant: Tenant) -> Channel:
    save(tenant.id, KeywordReply(keywords=["hola"], reply="¡Hola!"))
    return create_channel(tenant.id, is_default=True)


def rows(tenant: Tenant, statement: str) -> list[Any]:
    with db.tenant_session(tenant.id) as session:
        result: Any = session.execute(text(statement))
        return list(result) if result.returns_rows else []


def bodies(tenant: Tenant, direction: str = "incoming") -> list[str]:
    where = f"select body from recado.messages where direction = '{direction}' order by id"
    return [row.body for row in rows(tenant, where)]


def come_back(tenant: Tenant) -> None:
    """Make every waiting item due, as if its wait or its lease had ended."""
    rows(tenant, "update recado.inbox_items set due_at = now() where state = 'received'")


def states(tenant: Tenant) -> list[tuple[str, int, str | None]]:
    found = rows(tenant, "select state, tries, reason from recado.inbox_items order by id")
    return [tuple(row) for row in found]


class WorkerDied(BaseException):
    """Stands for a killed worker; `except Exception` does not catch it."""


def die(*_: Any, **__: Any) -> None:
    raise WorkerDied


def die_once(monkeypatch: pytest.MonkeyPatch, tenant: Tenant) -> None:
    with pytest.raises(WorkerDied):
        apply.apply_due(tenant.id)


def test_a_message_is_answered_with_twiml_and_a_status_with_204(
    app: Flask, channel: Channel
) -> None:
    heard = tell(app, channel, inbound(channel))
    assert (heard.status_code, heard.mimetype) == (200, "text/xml")
    assert heard.text.endswith("<Response></Response>")
    reported = tell(app, channel, receipt(channel, "SM1", "delivered"))
    assert (reported.status_code, reported.data) == (204, b"")


def test_an_answer_comes_before_anything_is_applied(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    tell(app, channel, inbound(channel))
    assert ledger(tenant.id) == {"received": 1, "duplicates": 0}
    assert bodies(tenant) == []
    apply.apply_due(tenant.id)
    assert bodies(tenant) == ["¡Qué tal!"]


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_repeated_webhook_is_one_message_with_one_reply(
    app: Flask, tenant: Tenant, channel: Channel, times: int
) -> None:
    greeting = "hola, buenas"
    forms = [inbound(channel, f"SM{number}", Body=greeting) for number in range(3)] * times
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda form: tell(app, channel, form).status_code, forms))
    assert set(answers) == {200}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: apply.apply_due(tenant.id), range(8)))
    tell(app, channel, forms[0])
    apply.apply_due(tenant.id)
    assert bodies(tenant) == [greeting] * 3
    assert bodies(tenant, "outgoing") == ["¡Hola!"] * 3
    assert ledger(tenant.id) == {"applied": 3, "duplicates": 3 * (times - 1) + 1}


def test_the_same_sid_on_two_channels_is_two_events(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    other = create_channel(tenant.id)
    for each in (channel, other):
        tell(app, each, inbound(each))
    apply.apply_due(tenant.id)
    assert len(bodies(tenant)) == 2


def test_an_unknown_status_is_ignored_with_its_reason(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    tell(app, channel, receipt(channel, "SM1", "pondering"))
    tell(app, channel, receipt(channel, "SM404", "delivered"))
    apply.apply_due(tenant.id)
    assert states(tenant) == [
        ("ignored", 1, "status pondering"),
        ("ignored", 1, "no message of ours has this id"),
    ]


def test_a_poisoned_item_is_parked_after_three_tries_and_the_rest_goes_on(
    app: Flask, tenant: Tenant, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    tell(app, channel, inbound(channel, "SM1", To="whatsapp:nobody"))
    tell(app, channel, inbound(channel, "SM2"))
    for _ in range(3):
        apply.apply_due(tenant.id)
        come_back(tenant)
    assert apply.apply_due(tenant.id) == 0
    parked, applied = states(tenant)
    assert parked[:2] == ("parked", 3)
    assert parked[2] is not None
    assert parked[2].startswith("ValueError")
    assert applied == ("applied", 1, None)
    told = rows(tenant, "select data from recado.events where type = 'inbox.item_parked'")
    assert [row.data["reason"] for row in told] == [parked[2]]


def test_the_ledger_adds_up(app: Flask, tenant: Tenant, channel: Channel) -> None:
    forms = [
        inbound(channel, "SM1"),
        inbound(channel, "SM1"),
        inbound(channel, "SM2", To="whatsapp:nobody"),
        receipt(channel, "SM3", "pondering"),
        receipt(channel, "SM3", "pondering"),
        receipt(channel, "SM3", "sent"),
    ]
    for form in forms:
        tell(app, channel, form)
    for _ in range(4):
        apply.apply_due(tenant.id)
        come_back(tenant)
    found = ledger(tenant.id)
    assert found == {"applied": 1, "ignored": 2, "parked": 1, "duplicates": 2}
    assert sum(found.values()) == len(forms)


def test_a_web_worker_that_dies_before_the_commit_has_stored_nothing(
    app: Flask, tenant: Tenant, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = row_counts(tenant.id)
    with monkeypatch.context() as patch:
        patch.setattr(receive, "faultpoint", die)
        with pytest.raises(WorkerDied):
            tell(app, channel, inbound(channel))
    assert row_counts(tenant.id) == before
    assert tell(app, channel, inbound(channel)).status_code == 200
    assert ledger(tenant.id) == {"received": 1, "duplicates": 0}


def test_a_web_worker_that_dies_after_the_commit_costs_a_duplicate_only(
    app: Flask, tenant: Tenant, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die_after(name: str) -> None:
        if name == "inbox_after_commit":
            raise WorkerDied

    with monkeypatch.context() as patch:
        patch.setattr(receive, "faultpoint", die_after)
        with pytest.raises(WorkerDied):
            tell(app, channel, inbound(channel))
    tell(app, channel, inbound(channel))
    apply.apply_due(tenant.id)
    assert ledger(tenant.id) == {"applied": 1, "duplicates": 1}


@pytest.mark.parametrize("step", ["before anything", "half-way", "before the commit"])
def test_an_item_whose_worker_died_comes_back_and_is_applied_once(
    app: Flask,
    tenant: Tenant,
    channel: Channel,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    tell(app, channel, inbound(channel, Body="hola"))
    place: dict[str, tuple[Any, str]] = {
        "before anything": (apply, "apply_item"),
        "half-way": (bots, "answer"),
        "before the commit": (apply, "faultpoint"),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*place[step], die)
        die_once(patch, tenant)
    assert states(tenant) == [("received", 1, None)]
    assert (bodies(tenant), bodies(tenant, "outgoing")) == ([], [])
    assert apply.apply_due(tenant.id) == 0
    come_back(tenant)
    apply.apply_due(tenant.id)
    assert (bodies(tenant), bodies(tenant, "outgoing")) == (["hola"], ["¡Hola!"])


def test_an_item_that_kills_its_worker_takes_no_other_with_it(
    app: Flask, tenant: Tenant, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        tell(app, channel, inbound(channel, f"SM{number}", Body=f"number {number}"))
    receive_message = messages.receive

    def deadly(*args: Any) -> Message:
        if args[3].body == "number 0":
            raise WorkerDied
        return receive_message(*args)

    monkeypatch.setattr(messages, "receive", deadly)
    for _ in range(12):
        try:
            while apply.apply_due(tenant.id):
                pass
        except WorkerDied:
            pass
        come_back(tenant)
    assert bodies(tenant) == [f"number {number}" for number in range(1, 5)]
    assert states(tenant)[0][0] == "parked"
    assert ledger(tenant.id) == {"applied": 4, "parked": 1, "duplicates": 0}


def test_a_database_that_goes_away_costs_only_the_item_at_hand_a_try(
    app: Flask, tenant: Tenant, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        tell(app, channel, inbound(channel, f"SM{number}"))

    def away(*_: Any) -> None:
        lost = Exception("server closed the connection")
        raise OperationalError("select", {}, lost, connection_invalidated=True)

    with monkeypatch.context() as patch:
        patch.setattr(apply, "apply_item", away)
        for _ in range(2):
            with pytest.raises(OperationalError):
                apply.apply_due(tenant.id)
            come_back(tenant)
    while apply.apply_due(tenant.id):
        pass
    assert states(tenant) == [("applied", 3, None), ("applied", 2, None), ("applied", 2, None)]


def test_a_deadlock_leaves_the_item_to_its_lease_and_the_others_go_on(
    app: Flask, tenant: Tenant, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2):
        tell(app, channel, inbound(channel, f"SM{number}", Body=f"number {number}"))
    receive_message = messages.receive

    def deadlocked(*args: Any) -> Message:
        if args[3].body == "number 0":
            raise OperationalError("update", {}, Exception("deadlock detected"))
        return receive_message(*args)

    with monkeypatch.context() as patch:
        patch.setattr(messages, "receive", deadlocked)
        apply.apply_due(tenant.id)
    assert states(tenant) == [("received", 1, None), ("applied", 1, None)]
    come_back(tenant)
    apply.apply_due(tenant.id)
    assert ledger(tenant.id) == {"applied": 2, "duplicates": 0}


def closed_conversation(tenant: Tenant, channel: Channel) -> Conversation:
    """A conversation whose customer last wrote three days ago."""
    contact = create_contact(tenant.id, address="+15551234567")
    long_ago = clock.now() - timedelta(days=3)
    return create_conversation(
        tenant.id, channel=channel, contact=contact, address="+15551234567",
        last_inbound_at=long_ago, window_closed_at=long_ago + timedelta(days=2),
    )  # fmt: skip


def test_who_writes_again_after_days_gets_the_keyword_reply(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    closed_conversation(tenant, channel)
    tell(app, channel, inbound(channel, Body="hola"))
    apply.apply_due(tenant.id)
    assert states(tenant) == [("applied", 1, None)]
    assert bodies(tenant, "outgoing") == ["¡Hola!"]


def test_a_message_is_kept_though_the_reply_to_it_cannot_be_sent(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    rows(tenant, "update recado.tenants set daily_message_quota = 0")
    tell(app, channel, inbound(channel, "SM1", Body="hola"))
    rows(tenant, "update recado.channels set status = 'disabled'")
    tell(app, channel, inbound(channel, "SM2", Body="hola"))
    apply.apply_due(tenant.id)
    assert bodies(tenant) == ["hola", "hola"]
    assert bodies(tenant, "outgoing") == []
    assert ledger(tenant.id) == {"applied": 2, "duplicates": 0}


def test_no_reply_goes_out_while_a_person_owns_the_conversation(
    app: Flask, tenant: Tenant, channel: Channel
) -> None:
    contact = create_contact(tenant.id, address="+15551234567")
    create_conversation(tenant.id, channel=channel, contact=contact, owner=Owner.HUMAN)
    tell(app, channel, inbound(channel, Body="hola"))
    apply.apply_due(tenant.id)
    assert (bodies(tenant), bodies(tenant, "outgoing")) == (["hola"], [])


def test_a_new_message_reopens_a_closed_conversation(
    app: Flask, tenant: Tenant, channel: Channel, signed_in: ApiClient
) -> None:
    tell(app, channel, inbound(channel, "SM1"))
    apply.apply_due(tenant.id)
    (listed,) = signed_in.get("/api/whatsapp/conversations").json["items"]
    path = f"/api/whatsapp/conversations/{listed['id']}"
    assert signed_in.post(f"{path}/close").json["status"] == "closed"
    tell(app, channel, inbound(channel, "SM2"))
    apply.apply_due(tenant.id)
    shown = signed_in.get(path).json
    assert (shown["status"], shown["closed_at"], shown["message_count"]) == ("active", None, 2)
