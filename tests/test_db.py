"""The only place that opens transactions."""

import pytest
from sqlalchemy import text

from app import config, db
from app.models import Tenant
from tests.conftest import sql


def test_the_pin_holds_even_for_a_login_that_may_bypass(tenant: Tenant) -> None:
    assert db.verify_pin() == []


def test_what_waits_for_the_commit_runs_after_it(tenant: Tenant) -> None:
    ran: list[str] = []
    with db.tenant_session(tenant.id) as session:
        db.after_commit(session, lambda: ran.append("committed"))
        assert ran == []
    assert ran == ["committed"]


def test_what_waits_for_a_commit_is_dropped_on_rollback(tenant: Tenant) -> None:
    ran: list[str] = []

    def fail() -> None:
        with db.tenant_session(tenant.id) as session:
            db.after_commit(session, lambda: ran.append("never"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert ran == []


def test_a_dead_pooled_connection_costs_nobody_an_error(tenant: Tenant) -> None:
    with db.tenant_session(tenant.id) as session:
        backend = session.scalar(text("select pg_backend_pid()"))
    sql(config.current().database_url, f"select pg_terminate_backend({backend})")
    with db.tenant_session(tenant.id) as session:
        assert session.scalar(text("select 1")) == 1


def test_finishing_early_commits_once(tenant: Tenant) -> None:
    ran: list[str] = []
    with db.tenant_session(tenant.id) as session:
        session.get(Tenant, tenant.id).name = "Renamed"  # type: ignore[union-attr]
        db.after_commit(session, lambda: ran.append("once"))
        db.finish(session)
        db.finish(session)
    assert ran == ["once"]
    with db.tenant_session(tenant.id) as session:
        assert session.scalar(text("select name from recado.tenants")) == "Renamed"
