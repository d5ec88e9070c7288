"""Tenant isolation inside the database: what each role sees and changes in a pinned transaction."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, strategies
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, create_engine, pool, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, ProgrammingError

from app import db
from app.common.ids import new_id
from app.config import Settings
from tests.migrations.conftest import make_tenant, url_as_superuser

pytestmark = pytest.mark.usefixtures("pool_of_one")

INSERT = text(
    "insert into recado.contacts (tenant_id, id, name, profile_name, attributes)"
    " values (:tenant, :id, :name, '', '{}')"
)
INSERT_ALIAS = text(
    "insert into recado.contact_aliases (tenant_id, id, contact_id, kind, value)"
    " values (:tenant, :id, :contact, 'phone', :value)"
)
NAMES = text("select id, name from recado.contacts")


def add_contact(tenant_id: UUID, name: str = "somebody") -> UUID:
    contact_id = new_id()
    with db.tenant_session(tenant_id) as session:
        session.execute(INSERT, {"tenant": tenant_id, "id": contact_id, "name": name})
    return contact_id


@contextmanager
def past_the_guard() -> Iterator[Connection]:
    """Yield the pooled connection as the plain login: no tenant is pinned, the check is off."""
    assert db.Database.engine is not None
    with db.Database.engine.connect() as connection, connection.begin():
        connection.info["pinned"] = "nothing"
        yield connection


def names_seen_by(tenant_id: UUID) -> dict[UUID, str]:
    with db.tenant_session(tenant_id) as session:
        return {row.id: row.name for row in session.execute(NAMES)}


def test_the_login_may_bypass_the_policies_but_a_pinned_transaction_may_not() -> None:
    mine, other = make_tenant(), make_tenant()
    contact_id, foreign_id = add_contact(mine), add_contact(other)
    with past_the_guard() as unpinned:
        login = unpinned.execute(
            text("select rolsuper, rolbypassrls from pg_roles where rolname = session_user")
        ).one()
        seen_by_login = {row.id for row in unpinned.execute(NAMES)}
    assert (login.rolsuper, login.rolbypassrls) == (False, True)
    assert {contact_id, foreign_id} <= seen_by_login
    assert set(names_seen_by(mine)) == {contact_id}


def test_a_statement_in_an_unpinned_transaction_is_refused() -> None:
    assert db.Database.engine is not None
    with db.Database.engine.connect() as connection, pytest.raises(db.UnpinnedTransaction):
        connection.execute(text("select 1"))


def test_a_second_transaction_on_a_connection_must_pin_anew() -> None:
    assert db.Database.engine is not None
    with db.tenant_session(make_tenant()) as session:
        connection = session.connection()
        session.commit()
        with pytest.raises(db.UnpinnedTransaction):
            session.execute(text("select 1"))
        assert connection.closed


def test_a_pooled_connection_keeps_no_tenant_after_a_commit_or_a_rollback() -> None:
    tenant_id = make_tenant()
    contact_id = add_contact(tenant_id)
    backend = text("select pg_backend_pid()")
    with db.tenant_session(tenant_id) as session:
        pinned_backend = session.scalar(backend)
    with pytest.raises(ZeroDivisionError), db.tenant_session(tenant_id):
        _ = 1 / 0
    with past_the_guard() as connection:
        assert connection.scalar(backend) == pinned_backend
        assert connection.scalar(text("select current_setting('app.tenant_id', true)")) == ""
        assert connection.scalar(text("select current_user = session_user")) is True
    with db.anonymous_session() as session:
        assert session.scalar(backend) == pinned_backend
        assert session.execute(NAMES).all() == []
    assert set(names_seen_by(tenant_id)) == {contact_id}


@pytest.fixture
def login_of_its_own(settings: Settings, worker_id: str) -> Iterator[str]:
    """Return the URL of a login without privileges, created as docs/supabase.md says."""
    name = f"recado_login_{worker_id}"
    admin = create_engine(
        db.normalise_url(url_as_superuser(settings.database_url)),
        poolclass=pool.NullPool,
        isolation_level="AUTOCOMMIT",
    )
    with admin.connect() as connection:
        connection.execute(text(f"create role {name} login password 'a b' noinherit"))
        connection.execute(text(f"grant recado_app, recado_system to {name}"))
        url = make_url(settings.database_url).set(username=name, password="a b")
        yield url.render_as_string(hide_password=False)
        connection.execute(text(f"drop role {name}"))


def test_a_login_without_any_power_is_enough(settings: Settings, login_of_its_own: str) -> None:
    db.init(replace(settings, database_url=login_of_its_own))
    tenant_id = make_tenant()
    contact_id = add_contact(tenant_id)
    assert set(names_seen_by(tenant_id)) == {contact_id}
    assert db.verify_pin() == []
    with db.system_session() as session:
        session.execute(text("select tenant_id from recado.messages limit 1"))
    with past_the_guard() as connection, pytest.raises(ProgrammingError):
        connection.execute(NAMES)
    db.dispose()


@pytest.mark.parametrize(
    "statement",
    [
        "select body from recado.messages",
        "select raw from recado.inbox_items",
        "select username from recado.users",
        "select name from recado.tenants",
        "select data from recado.events",
        "update recado.messages set status = 'queued'",
        "delete from recado.inbox_items",
    ],
)
def test_the_system_role_sees_headers_only(statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        db.system_session() as session,
    ):
        session.execute(text(statement))


def test_the_system_role_may_read_the_headers_of_due_work() -> None:
    with db.system_session() as session:
        session.execute(
            text("select tenant_id, channel_id, status, due_at, lease_until from recado.messages")
        ).all()
        session.execute(text("select tenant_id, state, due_at from recado.inbox_items")).all()


@pytest.mark.parametrize(
    "statement",
    [
        "truncate recado.contacts",
        "alter table recado.contacts disable row level security",
        "drop policy tenant on recado.contacts",
        "create table recado.mine (id int)",
    ],
)
def test_the_app_role_may_not_take_down_the_wall(statement: str) -> None:
    with (
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        db.tenant_session(make_tenant()) as session,
    ):
        session.execute(text(statement))


class TwoTenants(RuleBasedStateMachine):
    """Random operations of two tenants, compared with a dict of the expected rows of each."""

    contacts = Bundle("contacts")
    sides: ClassVar = strategies.integers(min_value=0, max_value=1)
    words: ClassVar = strategies.text("abc", min_size=1, max_size=3)

    def __init__(self) -> None:
        super().__init__()
        self.tenants = (make_tenant(), make_tenant())
        self.expected: tuple[dict[UUID, str], dict[UUID, str]] = ({}, {})

    @rule(target=contacts, side=sides, name=words)
    def insert(self, side: int, name: str) -> UUID:
        contact_id = add_contact(self.tenants[side], name)
        self.expected[side][contact_id] = name
        return contact_id

    @rule(side=sides, contact=contacts, name=words)
    def update_one(self, side: int, contact: UUID, name: str) -> None:
        """Update by id alone: isolation must not need a tenant in the WHERE clause."""
        with db.tenant_session(self.tenants[side]) as session:
            session.execute(
                text("update recado.contacts set name = :name where id = :id"),
                {"name": name, "id": contact},
            )
        if contact in self.expected[side]:
            self.expected[side][contact] = name

    @rule(side=sides, name=words)
    def update_all(self, side: int, name: str) -> None:
        with db.tenant_session(self.tenants[side]) as session:
            session.execute(text("update recado.contacts set name = :name"), {"name": name})
        self.expected[side].update(dict.fromkeys(self.expected[side], name))

    @rule(side=sides, contact=contacts)
    def delete_one(self, side: int, contact: UUID) -> None:
        with db.tenant_session(self.tenants[side]) as session:
            session.execute(
                text("delete from recado.contact_aliases where contact_id = :id"), {"id": contact}
            )
            session.execute(text("delete from recado.contacts where id = :id"), {"id": contact})
        self.expected[side].pop(contact, None)

    @rule(side=sides)
    def delete_all(self, side: int) -> None:
        with db.tenant_session(self.tenants[side]) as session:
            session.execute(text("delete from recado.contact_aliases"))
            session.execute(text("delete from recado.contacts"))
        self.expected[side].clear()

    @rule(side=sides, name=words)
    def insert_into_the_other(self, side: int, name: str) -> None:
        row = {"tenant": self.tenants[1 - side], "id": new_id(), "name": name}
        with (
            pytest.raises(ProgrammingError, match="row-level security"),
            db.tenant_session(self.tenants[side]) as session,
        ):
            session.execute(INSERT, row)

    @rule(side=sides)
    def give_all_to_the_other(self, side: int) -> None:
        move = text("update recado.contacts set tenant_id = :other")
        other = {"other": self.tenants[1 - side]}
        if not self.expected[side]:
            with db.tenant_session(self.tenants[side]) as session:
                session.execute(move, other)
            return
        with (
            pytest.raises(ProgrammingError, match="row-level security"),
            db.tenant_session(self.tenants[side]) as session,
        ):
            session.execute(move, other)

    @rule(side=sides, contact=contacts)
    def refer_to_one(self, side: int, contact: UUID) -> None:
        """A foreign key accepts only rows of its own tenant."""
        row = {"tenant": self.tenants[side], "id": new_id(), "contact": contact, "value": new_id()}
        row["value"] = str(row["value"])  # type: ignore[assignment]
        if contact in self.expected[side]:
            with db.tenant_session(self.tenants[side]) as session:
                session.execute(INSERT_ALIAS, row)
            return
        with pytest.raises(IntegrityError), db.tenant_session(self.tenants[side]) as session:
            session.execute(INSERT_ALIAS, row)

    @invariant()
    def each_sees_its_own_rows_and_no_other(self) -> None:
        for tenant_id, rows in zip(self.tenants, self.expected, strict=True):
            assert names_seen_by(tenant_id) == rows


def test_no_work_of_one_tenant_sees_or_changes_the_other() -> None:
    run_state_machine_as_test(
        TwoTenants,
        settings=hypothesis_settings(
            max_examples=30,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
