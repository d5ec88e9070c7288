"""A tenant's daily message quota."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, text

from app import db
from app.common import clock
from app.common.ids import id_floor, new_id
from app.inbox import apply
from app.messages.quota import start_of_day
from app.models import Channel, DailyUsage, KeywordReply, Role, Tenant
from app.tasks import clean_up
from app.tenants import service as tenants
from tests.common.census import row_counts
from tests.conftest import SignIn
from tests.factories import (
    ApiClient,
    create_channel,
    create_conversation,
    create_message,
    create_tenant,
    save,
)
from tests.locks import until_waiting
from tests.webhook.twilio_posts import inbound, tell
from tests.world import settings_changed

TEXT = {"to_number": "+15551234567", "body": "¡Hola!"}


@pytest.fixture
def limited(sign_in: SignIn) -> ApiClient:
    """The owner of a tenant that may send three messages a day."""
    tenant: Tenant = create_tenant(daily_message_quota=3)
    create_channel(tenant.id, is_default=True)
    return sign_in(tenant=tenant)


def test_the_message_after_the_last_is_refused_and_leaves_nothing(limited: ApiClient) -> None:
    assert [limited.post("/api/send", TEXT).status_code for _ in range(3)] == [202] * 3
    before = row_counts(limited.tenant_id)
    answer = limited.post("/api/send", TEXT)
    assert (answer.status_code, answer.json["code"]) == (429, "daily_quota_reached")
    assert answer.json["details"] == {"daily_message_quota": 3}
    assert 0 < int(answer.headers["Retry-After"]) <= 24 * 3600
    assert row_counts(limited.tenant_id) == before


def test_simultaneous_sends_do_not_pass_the_quota(limited: ApiClient) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: limited.post("/api/send", TEXT).status_code, range(12)))
    assert sorted(answers) == [202] * 3 + [429] * 9


def rows(tenant_id: UUID, statement: str, **values: Any) -> list[Any]:
    with db.tenant_session(tenant_id) as session:
        result: Any = session.execute(text(statement), values)
        return list(result) if result.returns_rows else []


def used(tenant_id: UUID) -> list[int]:
    """Return the count of each day, the newest day first."""
    return [
        row.sent for row in rows(tenant_id, "select sent from recado.daily_usage order by day desc")
    ]


def test_of_fifty_parallel_sends_against_a_quota_for_ten_exactly_ten_are_taken(
    sign_in: SignIn,
) -> None:
    tenant: Tenant = create_tenant(daily_message_quota=10)
    create_channel(tenant.id, is_default=True)
    client = sign_in(tenant=tenant)
    people = [{**TEXT, "to_number": f"+155512345{number:02}"} for number in range(50)]
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda body: client.post("/api/send", body).status_code, people))
    assert sorted(answers) == [202] * 10 + [429] * 40
    assert used(tenant.id) == [10]
    assert row_counts(tenant.id)[tenant.id, "messages"] == 10


def test_sending_and_receiving_at_once_with_a_quota_never_deadlocks(
    app: Flask, sign_in: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    tenant: Tenant = create_tenant(daily_message_quota=100_000)
    channel = create_channel(tenant.id, is_default=True)
    save(tenant.id, KeywordReply(keywords=["hola"], reply="¡Hola!"))
    client = sign_in(tenant=tenant)
    people = [f"+1555123456{number}" for number in range(3)]

    def send(number: int) -> int:
        body = {**TEXT, "to_number": people[number % 3]}
        return client.post("/api/send", body).status_code

    def receive(number: int) -> int:
        changes = {"From": f"whatsapp:{people[number % 3]}", "WaId": people[number % 3][1:]}
        form = inbound(channel, f"SM{number}", Body="hola, buenas", **changes)
        status = tell(app, channel, form).status_code
        apply.apply_due(tenant.id)
        return status

    with (
        settings_changed(auto_replies_per_hour=1000),
        ThreadPoolExecutor(4) as senders,
        ThreadPoolExecutor(4) as receivers,
    ):
        sent = senders.map(send, range(100))
        received = receivers.map(receive, range(100))
        assert (set(sent), set(received)) == ({202}, {200})
    # Items that were postponed because another worker held a lock are made due again.
    rows(tenant.id, "update recado.inbox_items set due_at = now()")
    with settings_changed(auto_replies_per_hour=1000):
        while apply.apply_due(tenant.id):
            pass
    assert "cannot_apply" not in caplog.text
    states = rows(tenant.id, "select state, count(*) from recado.inbox_items group by 1")
    assert [tuple(row) for row in states] == [("applied", 100)]
    counts = rows(tenant.id, "select direction, count(*) from recado.messages group by 1")
    assert dict(map(tuple, counts)) == {"incoming": 100, "outgoing": 200}
    assert used(tenant.id) == [200]


def test_a_reply_and_a_send_that_meet_in_one_conversation_do_not_wait_for_each_other(
    app: Flask, limited: ApiClient
) -> None:
    tenant_id = limited.tenant_id
    save(tenant_id, KeywordReply(keywords=["hola"], reply="¡Hola!"))
    assert limited.post("/api/send", TEXT).status_code == 202
    with db.tenant_session(tenant_id) as session:
        channel = session.scalars(select(Channel)).one()
    tell(app, channel, inbound(channel, Body="hola, buenas"))
    with ThreadPoolExecutor(2) as pool:
        with db.tenant_session(tenant_id) as session:
            session.execute(text("select from recado.conversations for no key update"))
            applied = pool.submit(apply.apply_due, tenant_id)
            until_waiting()
            sent = pool.submit(limited.post, "/api/send", TEXT)
            until_waiting(2)
        assert (applied.result(), sent.result().status_code) == (1, 202)
    (item,) = rows(tenant_id, "select state, tries from recado.inbox_items")
    assert (item.state, item.tries, used(tenant_id)) == ("applied", 1, [3])


def test_a_used_up_quota_loses_nothing_of_what_a_customer_writes(app: Flask) -> None:
    tenant: Tenant = create_tenant(daily_message_quota=1)
    channel = create_channel(tenant.id, is_default=True)
    save(tenant.id, KeywordReply(keywords=["hola"], reply="¡Hola!"))
    for number in range(3):
        tell(app, channel, inbound(channel, f"SM{number}", Body="hola"))
    apply.apply_due(tenant.id)
    found = rows(tenant.id, "select direction from recado.messages order by direction")
    assert [row.direction for row in found] == ["incoming"] * 3 + ["outgoing"]
    (thread,) = rows(tenant.id, "select message_count from recado.conversations")
    assert (thread.message_count, used(tenant.id)) == (4, [1])


def test_a_tenant_without_a_quota_is_not_counted(signed_in: ApiClient) -> None:
    create_channel(signed_in.tenant_id, is_default=True)
    assert signed_in.post("/api/send", TEXT).status_code == 202
    assert used(signed_in.tenant_id) == []


def sent_before(tenant_id: UUID, number: int) -> None:
    """Create messages of today, as if they were sent while there was no quota."""
    thread = create_conversation(tenant_id)
    for _ in range(number):
        create_message(tenant_id, conversation=thread, status="sent", due_at=None)


def test_a_quota_set_in_the_middle_of_a_day_counts_what_was_sent_before(
    tenant: Tenant, signed_in: ApiClient, sign_in: SignIn
) -> None:
    create_channel(tenant.id, is_default=True)
    sent_before(tenant.id, 3)
    boss = sign_in(Role.PLATFORM_ADMIN, tenant=platform())

    def allow(quota: int | None) -> None:
        answer = boss.put(f"/tenants/{tenant.id}", {"daily_message_quota": quota})
        assert answer.status_code == 200, answer.json

    def send() -> int:
        return signed_in.post("/api/send", TEXT).status_code

    allow(5)
    assert used(tenant.id) == [3]
    assert [send() for _ in range(3)] == [202, 202, 429]
    allow(6)
    assert [send() for _ in range(2)] == [202, 429]
    allow(None)
    assert [send() for _ in range(4)] == [202] * 4
    allow(11)
    assert [send() for _ in range(2)] == [202, 429]
    allow(2)
    assert send() == 429
    assert used(tenant.id) == [11]


def platform() -> Tenant:
    tenants.ensure_platform()
    return tenants.read_tenant(tenants.PLATFORM_TENANT_ID)


def test_a_day_that_is_not_counted_yet_begins_with_what_was_sent_on_it(
    limited: ApiClient,
) -> None:
    sent_before(limited.tenant_id, 2)
    assert [limited.post("/api/send", TEXT).status_code for _ in range(2)] == [202, 429]
    assert used(limited.tenant_id) == [3]


def test_a_change_of_the_time_zone_counts_the_new_day_anew(limited: ApiClient) -> None:
    """Kiritimati and Pago Pago are 25 hours apart, so they never have the same date."""
    for _ in range(2):
        assert limited.post("/api/send", TEXT).status_code == 202
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        assert limited.put("/tenants/me", {"timezone": zone}).status_code == 200
        start = id_floor(start_of_day(clock.now(), zone))
        query = "select count(*) from recado.messages where id >= :start"
        (today,) = rows(limited.tenant_id, query, start=start)
        assert today.count in used(limited.tenant_id)


def test_days_that_are_over_everywhere_are_forgotten(tenant: Tenant) -> None:
    today = clock.now().date()
    for days in (-1, 0, 1, 2, 3, 400):
        save(tenant.id, DailyUsage(day=today - timedelta(days=days), sent=1))
    clean_up.clean_tenant(str(tenant.id))
    kept = rows(tenant.id, "select day from recado.daily_usage order by day desc")
    assert [(today - row.day).days for row in kept] == [-1, 0, 1, 2]


def test_what_customers_write_and_what_went_out_yesterday_do_not_count(
    limited: ApiClient,
) -> None:
    for _ in range(3):
        create_message(limited.tenant_id, direction="incoming", status="received")
        yesterday = UUID(int=id_floor(datetime(2026, 1, 1, tzinfo=UTC)).int + new_id().int % 2**64)
        create_message(limited.tenant_id, id=yesterday)
    assert limited.post("/api/send", TEXT).status_code == 202


def test_a_refused_send_may_be_repeated_with_its_key_tomorrow(limited: ApiClient) -> None:
    for _ in range(3):
        limited.post("/api/send", TEXT)
    refused = limited.post("/api/send", TEXT, idempotency_key="k")
    assert refused.status_code == 429
    assert row_counts(limited.tenant_id)[limited.tenant_id, "idempotency_keys"] == 0


@pytest.mark.parametrize(
    ("now", "timezone", "start"),
    [
        ("2026-11-20T12:00:00Z", "UTC", "2026-11-20T00:00:00Z"),
        ("2026-11-20T03:00:00Z", "America/Mexico_City", "2026-11-19T06:00:00Z"),
        ("2026-11-20T23:30:00Z", "Asia/Kolkata", "2026-11-20T18:30:00Z"),
        ("2026-03-08T12:00:00Z", "America/New_York", "2026-03-08T05:00:00Z"),
        ("2026-03-09T12:00:00Z", "America/New_York", "2026-03-09T04:00:00Z"),
    ],
)
def test_a_day_begins_at_midnight_where_the_tenant_is(now: str, timezone: str, start: str) -> None:
    found = start_of_day(datetime.fromisoformat(now), timezone)
    assert found == datetime.fromisoformat(start)


def test_every_id_of_a_moment_lies_above_its_floor() -> None:
    now = clock.now()
    assert id_floor(now) <= new_id() < id_floor(now + timedelta(minutes=1))
