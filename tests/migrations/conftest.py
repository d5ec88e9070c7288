"""Databases that tests may change: a transaction that is rolled back, and an empty database."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

import pytest
from alembic.config import Config
from sqlalchemy import Connection, create_engine, pool, text
from sqlalchemy.engine import make_url

from app import db
from app.cli.database import alembic_config
from app.common.ids import new_id
from app.config import Settings
from app.models import Tenant


def url_as_superuser(database_url: str) -> str:
    """Return the superuser's URL of the database that `database_url` names."""
    name = make_url(database_url).database
    url = make_url(os.environ["RECADO_TEST_ADMIN_URL"]).set(database=name)
    return url.render_as_string(hide_password=False)


@pytest.fixture
def catalogue(settings: Settings) -> Iterator[Connection]:
    """A superuser's transaction on the migrated database, to plant defects in; rolled back."""
    engine = create_engine(
        db.normalise_url(url_as_superuser(settings.database_url)), poolclass=pool.NullPool
    )
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text("set local lock_timeout = '20s'"))
        yield connection
        transaction.rollback()


@pytest.fixture
def empty_database(worker_id: str) -> Iterator[str]:
    """The URL of a new, empty database, for the login, which is not a superuser."""
    login_url = make_url(os.environ["RECADO_TEST_DATABASE_URL"])
    name = f"recado_empty_{worker_id}"
    with _autocommit(os.environ["RECADO_TEST_DATABASE_URL"]) as login:
        _drop(name)
        login.execute(text(f"create database {name}"))
    yield login_url.set(database=name).render_as_string(hide_password=False)
    _drop(name)


def _drop(name: str) -> None:
    """Drop a database as the superuser: nobody else may end the sessions of one."""
    with _autocommit(os.environ["RECADO_TEST_ADMIN_URL"]) as superuser:
        superuser.execute(text(f"drop database if exists {name} with (force)"))


@contextmanager
def _autocommit(url: str) -> Iterator[Connection]:
    engine = create_engine(
        db.normalise_url(url), poolclass=pool.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def pool_of_one(settings: Settings) -> Iterator[None]:
    """app.db with a single pooled connection, so that each transaction reuses it."""
    before, db.Database.engine = db.Database.engine, None
    db.init(replace(settings, database_pool_size=1))
    yield
    db.dispose()
    db.Database.engine = before


def make_tenant() -> UUID:
    tenant_id = new_id()
    with db.tenant_session(tenant_id) as session:
        session.add(Tenant(tenant_id=tenant_id, name=f"tenant {tenant_id}", data_key=b"unused"))
    return tenant_id


@pytest.fixture
def login(empty_database: str) -> Iterator[Connection]:
    """A connection to the empty database as the login, which bypasses row-level security."""
    engine = create_engine(
        db.normalise_url(empty_database), poolclass=pool.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        yield connection


@pytest.fixture
def migrations(empty_database: str) -> Iterator[Config]:
    """Alembic's config for that database, connected as the login, which is not a superuser."""
    engine = create_engine(db.normalise_url(empty_database), poolclass=pool.NullPool)
    with engine.connect() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        yield config
