"""What served its time goes, tenant by tenant; all else stays."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app import config, db
from app.common import clock
from app.common.ids import new_id
from app.models import (
    DailyUsage,
    IdempotencyKey,
    InboxItem,
    RefreshToken,
    Tenant,
    User,
    UserSession,
)
from app.tasks import names, schedule
from tests.factories import (
    ApiClient,
    create_channel,
    create_refresh_token,
    create_session,
    create_tenant,
    create_user,
    save,
)
from tests.world import settings_changed

Call = tuple[Any, ...]


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    calls: list[Call] = []
    monkeypatch.setattr(schedule, "send", lambda *call: calls.append(call))
    monkeypatch.setattr(schedule, "is_first_within", lambda *_: True)
    return calls


def ago(**span: float) -> Any:
    return clock.now() - timedelta(**span)


def ahead(**span: float) -> Any:
    return clock.now() + timedelta(**span)


def ids(tenant_id: UUID, model: Any) -> set[UUID]:
    with db.tenant_session(tenant_id) as session:
        return {row.id for row in session.query(model)}


def key(tenant_id: UUID, expires_at: Any) -> IdempotencyKey:
    row = IdempotencyKey(key=new_id().hex, fingerprint="", expires_at=expires_at)
    saved: IdempotencyKey = save(tenant_id, row)
    return saved


def item(tenant_id: UUID, channel_id: UUID, state: str, finished_at: Any) -> InboxItem:
    row = InboxItem(
        channel_id=channel_id,
        event_key=new_id().hex,
        raw="",
        state=state,
        finished_at=finished_at,
    )
    saved: InboxItem = save(tenant_id, row)
    return saved


def is_rung(calls: list[Call], tenant_id: UUID) -> bool:
    return (names.CLEAN_TENANT, tenant_id) in calls


def test_a_tenant_without_anything_old_is_left_alone(
    tenant: Tenant, owner: User, rung: list[Call]
) -> None:
    key(tenant.id, ahead(hours=1))
    create_refresh_token(create_session(owner))
    save(tenant.id, DailyUsage(day=ago(days=2).date(), sent=1))
    channel = create_channel(tenant.id)
    item(tenant.id, channel.id, "applied", ago(days=29))
    item(tenant.id, channel.id, "parked", ago(days=300))
    schedule.clean_up()
    assert not is_rung(rung, tenant.id)


@pytest.mark.parametrize("what", ["key", "session", "token", "day", "item"])
def test_each_kind_has_its_tenant_cleaned(
    tenant: Tenant, owner: User, rung: list[Call], what: str
) -> None:
    if what == "key":
        key(tenant.id, ago(seconds=1))
    elif what == "session":
        create_session(owner, expires_at=ago(days=2))
    elif what == "token":
        create_refresh_token(create_session(owner), expires_at=ago(days=2))
    elif what == "day":
        save(tenant.id, DailyUsage(day=ago(days=3).date(), sent=1))
    else:
        item(tenant.id, create_channel(tenant.id).id, "ignored", ago(days=31))
    schedule.clean_up()
    assert is_rung(rung, tenant.id)
    rung.clear()
    schedule.clean_tenant(str(tenant.id))
    schedule.clean_up()
    assert not is_rung(rung, tenant.id), "nothing old is left"


def test_only_what_served_its_time_goes(tenant: Tenant, owner: User) -> None:
    kept_key, _ = key(tenant.id, ahead(minutes=1)), key(tenant.id, ago(minutes=1))
    live = create_session(owner)
    recent = create_session(owner, expires_at=ago(hours=23))
    dead = create_session(owner, expires_at=ago(days=2))
    create_refresh_token(dead, expires_at=ago(days=2))
    kept_token = create_refresh_token(live)
    create_refresh_token(live, expires_at=ago(days=2))
    schedule.clean_tenant(str(tenant.id))
    assert ids(tenant.id, IdempotencyKey) == {kept_key.id}
    assert ids(tenant.id, UserSession) == {live.id, recent.id}
    assert ids(tenant.id, RefreshToken) == {kept_token.id}


def test_inbox_items_stay_as_long_as_the_setting_says_and_parked_ones_for_ever(
    tenant: Tenant,
) -> None:
    channel = create_channel(tenant.id)
    kept = {
        item(tenant.id, channel.id, "applied", ago(days=4)).id,
        item(tenant.id, channel.id, "parked", ago(days=400)).id,
        item(tenant.id, channel.id, "received", None).id,
    }
    item(tenant.id, channel.id, "applied", ago(days=6))
    item(tenant.id, channel.id, "ignored", ago(days=6))
    with settings_changed(inbox_retention_days=5):
        schedule.clean_tenant(str(tenant.id))
    assert ids(tenant.id, InboxItem) == kept
    assert config.current().inbox_retention_days == 30


def test_it_goes_on_until_nothing_is_left_a_little_at_a_time(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule, "CLEANED_AT_ONCE", 2)
    for _ in range(5):
        key(tenant.id, ago(minutes=1))
    transactions: list[UUID] = []
    tenant_session = db.tenant_session

    def counted(tenant_id: UUID) -> Any:
        transactions.append(tenant_id)
        return tenant_session(tenant_id)

    monkeypatch.setattr(db, "tenant_session", counted)
    schedule.clean_tenant(str(tenant.id))
    assert ids(tenant.id, IdempotencyKey) == set()
    assert len(transactions) >= 3


def test_other_tenants_keep_theirs(tenant: Tenant) -> None:
    other = create_tenant()
    key(tenant.id, ago(minutes=1))
    row = key(other.id, ago(minutes=1))
    schedule.clean_tenant(str(tenant.id))
    assert ids(tenant.id, IdempotencyKey) == set()
    assert ids(other.id, IdempotencyKey) == {row.id}


def test_who_is_signed_in_stays_so(tenant: Tenant, signed_in: ApiClient) -> None:
    create_session(create_user(tenant.id), expires_at=ago(days=2))
    schedule.clean_tenant(str(tenant.id))
    assert signed_in.get("/auth/me").status_code == 200
