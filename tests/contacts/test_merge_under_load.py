"""Merging while both contacts send and receive on several channels: nothing is lost."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app import db
from app.inbox import apply
from app.models import Tenant
from tests.conftest import SignIn
from tests.factories import create_channel, create_tenant
from tests.webhook.twilio_posts import inbound, tell

PEOPLE = 8
SENDS = 100
WRITTEN = 100


def rows(tenant: Tenant, statement: str) -> list[Any]:
    with db.tenant_session(tenant.id) as session:
        return list(session.execute(text(statement)))


def phone(person: int) -> str:
    return f"+155512345{person:02}"


def user_id(person: int) -> str:
    return f"US.1349120865530274{person:04}"


def apply_all(tenant: Tenant) -> None:
    """Apply waiting items, including those that another worker had locked a moment ago."""
    with db.tenant_session(tenant.id) as session:
        session.execute(text("update recado.inbox_items set due_at = now()"))
    while apply.apply_due(tenant.id):
        pass


def test_every_202_and_every_stored_item_is_there_after_the_merges(
    app: Flask, sign_in: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    tenant = create_tenant(daily_message_quota=100_000)
    channels = [create_channel(tenant.id) for _ in range(3)]
    client = sign_in(tenant=tenant)
    chance = random.Random(7)  # noqa: S311 - chance, no secret

    def send(to: str, channel: int) -> Any:
        number = channels[channel].phone_number
        return client.post("/api/send", {"to_number": to, "from_number": number, "body": "x"})

    def write(number: int, person: int, channel: int, shown: str) -> int:
        """Somebody writes from their number, with their user id only, or with both."""
        changes = {"From": f"whatsapp:{phone(person)}", "WaId": phone(person)[1:]}
        if shown == "user id":
            changes = {"From": f"whatsapp:{user_id(person)}", "WaId": ""}
        if shown == "both":
            changes["ExternalUserId"] = user_id(person)
        form = inbound(channels[channel], f"SM{number}", **changes)
        status = tell(app, channels[channel], form).status_code
        apply.apply_due(tenant.id)
        return status

    def place() -> tuple[int, int]:
        return chance.randrange(PEOPLE), chance.randrange(3)

    sends = [
        (chance.choice((phone, user_id))(each), at) for each, at in (place() for _ in range(SENDS))
    ]
    shows = ("number", "user id", "both")
    writes = [(number, *place(), chance.choice(shows)) for number in range(WRITTEN)]
    with ThreadPoolExecutor(4) as senders, ThreadPoolExecutor(4) as writers:
        answers = senders.map(lambda order: send(*order), sends)
        statuses = list(writers.map(lambda order: write(*order), writes))
        sent = list(answers)
    apply_all(tenant)
    assert {answer.status_code for answer in sent} == {202}
    assert set(statuses) == {200}
    assert "cannot_apply" not in caplog.text, "a deadlock, or a row that went away"
    items = rows(tenant, "select state, count(*) from recado.inbox_items group by 1")
    assert [tuple(item) for item in items] == [("applied", WRITTEN)]
    stored = rows(
        tenant,
        "select m.id, m.direction from recado.messages m join recado.conversations c"
        " on c.id = m.conversation_id and c.contact_id = m.contact_id"
        " and c.channel_id = m.channel_id",
    )
    outgoing = {str(row.id) for row in stored if row.direction == "outgoing"}
    assert outgoing == {answer.json["message_id"] for answer in sent}
    incoming = {row.id for row in stored if row.direction == "incoming"}
    assert incoming == {row.id for row in rows(tenant, "select id from recado.inbox_items")}
    (counted,) = rows(tenant, "select sum(message_count) from recado.conversations")
    assert counted.sum == SENDS + WRITTEN

    for person in range(PEOPLE):
        assert write(WRITTEN + person, person, 0, "both") == 200
    apply_all(tenant)
    assert len(rows(tenant, "select id from recado.contacts")) == PEOPLE
