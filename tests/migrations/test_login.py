"""The login of the service: it takes two roles and has no other privilege."""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import create_engine, make_url, pool, text
from sqlalchemy.exc import DBAPIError

from app import config, db
from app.config import Settings
from app.db import normalise_url
from tests.migrations.conftest import url_as_superuser

PASSWORD = "p@ss/w:rd"  # of a login that lives for one test


@pytest.fixture
def service(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings with a login that does not exist yet, and the superuser for migrations."""
    name = f"service_{uuid4().hex[:8]}"
    url = make_url(normalise_url(settings.database_url)).set(username=name, password=PASSWORD)
    admin = url_as_superuser(settings.database_url)
    changed = replace(
        settings,
        database_url=url.render_as_string(hide_password=False),
        direct_url=admin,
    )
    monkeypatch.setattr(config.InForce, "settings", changed)
    yield changed
    db.init(settings)
    engine = create_engine(
        normalise_url(admin), poolclass=pool.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"drop role if exists {name}"))


def create_login(app: Flask) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["database", "create-login"])
    return result.exit_code, result.output


def refused(statement: str) -> bool:
    try:
        with db.anonymous_session() as session:
            session.execute(text(f"reset role; {statement}"))
    except DBAPIError:
        return True
    return False


def test_the_login_can_serve_and_do_nothing_else(app: Flask, service: Settings) -> None:
    exit_code, output = create_login(app)
    assert exit_code == 0, output
    assert PASSWORD not in output
    db.init(service)
    assert db.verify_pin() == []
    with db.system_session() as session:
        session.execute(text("select tenant_id from recado.messages limit 1"))
    assert refused("select * from recado.messages")
    assert refused("create role another")
    assert refused("copy (select 1) to program 'true'")
    assert refused("set role recado_owner")


@pytest.mark.parametrize("is_superuser", [True, False])
def test_it_may_be_run_again_for_another_password(
    app: Flask, service: Settings, settings: Settings, is_superuser: bool
) -> None:
    """A provider such as Supabase gives a login for migrations that is no superuser."""
    admin = service.direct_url if is_superuser else settings.database_url
    config.use(replace(service, direct_url=admin))
    assert create_login(app)[0] == 0
    url = make_url(service.database_url).set(password="another")
    another = url.render_as_string(hide_password=False)
    config.use(replace(service, direct_url=admin, database_url=another))
    assert create_login(app)[0] == 0
    db.init(config.current())
    assert db.verify_pin() == []


@pytest.mark.usefixtures("service")
def test_one_login_for_both_is_refused(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    same = replace(config.current(), direct_url=config.current().database_url)
    monkeypatch.setattr(config.InForce, "settings", same)
    exit_code, output = create_login(app)
    assert exit_code == 1
    assert "have the same login" in output


def test_a_superuser_is_refused(settings: Settings, service: Settings) -> None:
    db.init(replace(settings, database_url=service.direct_url))
    (problem,) = db.verify_pin()
    assert problem.startswith("DATABASE_URL signs in as a superuser")
    assert "create-login" in problem
