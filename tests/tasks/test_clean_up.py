"""Expired rows are removed, tenant by tenant; all others stay."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from app import config, db
from app.common import clock, idempotency
from app.common.ids import id_at, new_id
from app.config import Settings
from app.models import (
    Attempt,
    AuditEntry,
    DailyUsage,
    Event,
    IdempotencyKey,
    InboxItem,
    Message,
    RefreshToken,
    Tenant,
    User,
    UserSession,
)
from app.tasks import clean_up, due, names
from tests.factories import (
    ApiClient,
    create_channel,
    create_message,
    create_refresh_token,
    create_session,
    create_tenant,
    create_user,
    save,
)
from tests.reads import analyze
from tests.world import settings_changed

Call = tuple[Any, ...]


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    calls: list[Call] = []
    for module in (clean_up, due):
        monkeypatch.setattr(module, "send", lambda *call: calls.append(call))
    monkeypatch.setattr(clean_up, "is_first_within", lambda *_: True)
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


def fact(tenant_id: UUID, at: Any) -> Event:
    told = {"channel_id": str(new_id())}
    saved: Event = save(tenant_id, Event(id=id_at(at), type="channel.resumed", data=told))
    return saved


def entry(tenant_id: UUID, at: Any) -> AuditEntry:
    row = AuditEntry(id=id_at(at), actor_type="system", action="a", subject_type="b")
    saved: AuditEntry = save(tenant_id, row)
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
    create_message(tenant.id, status="read", created_at=ago(days=729))
    create_message(tenant.id, status="queued", created_at=ago(days=2000))
    fact(tenant.id, ago(days=89))
    entry(tenant.id, ago(days=729))
    clean_up.clean_up()
    assert not is_rung(rung, tenant.id)


def test_the_clean_up_asks_for_the_months_to_be_kept(app: object, rung: list[Call]) -> None:
    clean_up.clean_up()
    assert (names.KEEP_MONTHS,) in rung


@pytest.mark.parametrize("what", ["key", "session", "token", "day", "item", "message", "event"])
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
    elif what == "item":
        item(tenant.id, create_channel(tenant.id).id, "ignored", ago(days=31))
    elif what == "message":
        create_message(tenant.id, status="read", created_at=ago(days=731))
    else:
        fact(tenant.id, ago(days=125))
    clean_up.clean_up()
    assert is_rung(rung, tenant.id)
    rung.clear()
    clean_up.clean_tenant(str(tenant.id))
    clean_up.clean_up()
    assert not is_rung(rung, tenant.id), "nothing old is left"


def test_only_what_served_its_time_goes(tenant: Tenant, owner: User) -> None:
    kept_key, _ = key(tenant.id, ahead(minutes=1)), key(tenant.id, ago(minutes=1))
    live = create_session(owner)
    recent = create_session(owner, expires_at=ago(hours=23))
    dead = create_session(owner, expires_at=ago(days=2))
    create_refresh_token(dead, expires_at=ago(days=2))
    kept_token = create_refresh_token(live)
    create_refresh_token(live, expires_at=ago(days=2))
    clean_up.clean_tenant(str(tenant.id))
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
        clean_up.clean_tenant(str(tenant.id))
    assert ids(tenant.id, InboxItem) == kept
    assert config.current().inbox_retention_days == 30


def test_it_goes_on_until_nothing_is_left_a_little_at_a_time(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_up, "CLEANED_AT_ONCE", 2)
    for _ in range(5):
        key(tenant.id, ago(minutes=1))
    transactions: list[UUID] = []
    tenant_session = db.tenant_session

    def counted(tenant_id: UUID) -> Any:
        transactions.append(tenant_id)
        return tenant_session(tenant_id)

    monkeypatch.setattr(db, "tenant_session", counted)
    clean_up.clean_tenant(str(tenant.id))
    assert ids(tenant.id, IdempotencyKey) == set()
    assert len(transactions) >= 3


def test_no_more_than_so_many_go_at_once(tenant: Tenant) -> None:
    for _ in range(5):
        key(tenant.id, ago(minutes=1))
    removed = []
    for _ in range(4):
        with db.tenant_session(tenant.id) as session:
            removed.append(idempotency.forget_expired(session, 2))
    assert removed == [2, 2, 1, 0]


def test_other_tenants_keep_theirs(tenant: Tenant) -> None:
    other = create_tenant()
    key(tenant.id, ago(minutes=1))
    row = key(other.id, ago(minutes=1))
    clean_up.clean_tenant(str(tenant.id))
    assert ids(tenant.id, IdempotencyKey) == set()
    assert ids(other.id, IdempotencyKey) == {row.id}


def test_who_is_signed_in_stays_so(tenant: Tenant, signed_in: ApiClient) -> None:
    create_session(create_user(tenant.id), expires_at=ago(days=2))
    clean_up.clean_tenant(str(tenant.id))
    assert signed_in.get("/auth/me").status_code == 200


def test_finished_messages_go_with_their_attempts_and_all_others_stay(tenant: Tenant) -> None:
    old, finished = ago(days=731), ("received", "accepted", "sent", "failed", "delivered", "read")
    gone = [
        create_message(tenant.id, status=status, created_at=old)
        for status in (*finished, "unknown", "canceled")
    ]
    kept = {
        create_message(tenant.id, status=status, created_at=old).id
        for status in ("queued", "sending", "uncertain")
    }
    young = create_message(tenant.id, status="read", created_at=ago(days=729))
    for message in (gone[-1], young):
        save(tenant.id, Attempt(message_id=message.id, number=1))
    clean_up.clean_tenant(str(tenant.id))
    assert ids(tenant.id, Message) == {*kept, young.id}
    with db.tenant_session(tenant.id) as session:
        assert [each.message_id for each in session.query(Attempt)] == [young.id]


def test_events_go_by_the_month(tenant: Tenant) -> None:
    fact(tenant.id, ago(days=125))
    kept = fact(tenant.id, ago(days=89))
    clean_up.clean_tenant(str(tenant.id))
    assert ids(tenant.id, Event) == {kept.id}


def test_what_is_kept_for_ever_stays(tenant: Tenant, rung: list[Call]) -> None:
    message = create_message(tenant.id, status="read", created_at=ago(days=5000))
    rows = fact(tenant.id, ago(days=5000)), entry(tenant.id, ago(days=5000))
    for_ever = {"message_retention_days": 0, "event_retention_days": 0, "audit_retention_days": 0}
    with settings_changed(**for_ever):
        clean_up.clean_up()
        clean_up.clean_tenant(str(tenant.id))
    assert not is_rung(rung, tenant.id)
    assert ids(tenant.id, Message) == {message.id}
    assert (ids(tenant.id, Event), ids(tenant.id, AuditEntry)) == ({rows[0].id}, {rows[1].id})


def test_a_clean_up_that_takes_long_rings_for_its_rest(
    tenant: Tenant, rung: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_up, "CLEAN_SECONDS", 0)
    row = key(tenant.id, ago(minutes=1))
    clean_up.clean_tenant(str(tenant.id))
    assert is_rung(rung, str(tenant.id))  # type: ignore[arg-type]
    assert ids(tenant.id, IdempotencyKey) == {row.id}


EXPIRED = text("""
    insert into recado.idempotency_keys (tenant_id, id, key, fingerprint, expires_at)
    select :tenant_id, gen_random_uuid(), n::text, '', now() - interval '1 minute'
    from generate_series(1, 5000) n
""")


def test_one_tenants_clean_up_reads_nothing_of_the_others(
    tenant: Tenant, settings: Settings
) -> None:
    """The index must begin with the tenant: an index of the time alone has all expired rows."""
    other = create_tenant()
    with db.tenant_session(other.id) as session:
        session.execute(EXPIRED, {"tenant_id": other.id})
    analyze(settings)
    with db.tenant_session(tenant.id) as session:
        assert pages_read(session, lambda: idempotency.forget_expired(session, 500)) <= 10


def pages_read(session: Session, work: Callable[[], object]) -> int:
    """Run `work`, then run its last statement again; return the pages that this one reads."""
    asked: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, given: Any, *_: Any) -> None:
        asked.append((statement, given))

    event.listen(session.connection(), "before_cursor_execute", listen)
    work()
    event.remove(session.connection(), "before_cursor_execute", listen)
    statement, given = asked[-1]
    explained = f"explain (analyze, buffers, format json) {statement}"
    (found,) = session.connection().exec_driver_sql(explained, given).scalar_one()
    return int(found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"])
