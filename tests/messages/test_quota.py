"""A tenant's own limit of messages a day."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from app.common import clock
from app.common.ids import id_floor, new_id
from app.messages.quota import start_of_day
from app.models import Tenant
from tests.common.census import row_counts
from tests.conftest import SignIn
from tests.factories import ApiClient, create_channel, create_message, create_tenant

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
