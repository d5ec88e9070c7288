"""The extension pgvector: used where it is, created where that is allowed, and never needed."""

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, pool, text

from app.cli.database import alembic_config, find_defects
from app.db import normalise_url
from dev.postgres import add_vector
from tests.migrations.conftest import url_as_superuser

PLACE = text("""
    select extnamespace::regnamespace::text from pg_extension where extname = 'vector'
""")
MAY_USE = text("select has_schema_privilege('recado_app', :place, 'usage')")


def upgrade_as_superuser(url: str) -> None:
    engine = create_engine(normalise_url(url_as_superuser(url)), poolclass=pool.NullPool)
    with engine.connect() as connection:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def test_a_login_that_may_not_create_it_goes_on_without(
    migrations: Config, login: Connection
) -> None:
    command.upgrade(migrations, "head")
    assert login.scalar(PLACE) is None
    assert login.scalar(text("select count(*) from recado.knowledge_embeddings")) == 0


def test_a_login_that_may_creates_it(empty_database: str, login: Connection) -> None:
    upgrade_as_superuser(empty_database)
    assert login.scalar(PLACE) == "public"
    assert login.scalar(MAY_USE, {"place": "public"}) is True
    assert find_defects(login) == []


def test_it_is_created_where_supabase_has_its_extensions(
    empty_database: str, login: Connection
) -> None:
    login.execute(text("create schema extensions"))
    upgrade_as_superuser(empty_database)
    assert login.scalar(PLACE) == "extensions"
    assert login.scalar(MAY_USE, {"place": "extensions"}) is True


@pytest.mark.parametrize("place", ["extensions", 'An "odd" place'])
def test_one_that_is_there_is_used_where_it_is(
    empty_database: str, migrations: Config, login: Connection, place: str
) -> None:
    add_vector(url_as_superuser(empty_database))
    quoted = place.replace('"', '""')
    if place != "extensions":
        login.execute(text(f'alter schema extensions rename to "{quoted}"'))
    command.upgrade(migrations, "head")
    assert login.scalar(MAY_USE, {"place": place}) is True
    command.downgrade(migrations, "0018")
    assert login.scalar(PLACE) is not None
