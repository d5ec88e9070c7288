"""The gate reports nothing on our schema, and each kind of defect with its own row."""

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import Connection, create_engine, pool, text

from app import config
from app.cli.database import Defect, find_defects
from app.config import Settings
from app.db import normalise_url
from tests.migrations.planted import GOOD_TABLE, MESSAGES, PLANTED, Planted
from tests.migrations.planted_growth import PLANTED_GROWTH


def test_our_schema_has_no_defect(catalogue: Connection) -> None:
    assert find_defects(catalogue) == []


def test_a_table_made_as_it_should_be_is_no_defect(catalogue: Connection) -> None:
    catalogue.exec_driver_sql(GOOD_TABLE)
    assert find_defects(catalogue) == []


@pytest.mark.parametrize("planted", [*PLANTED, *PLANTED_GROWTH], ids=lambda planted: planted.name)
def test_a_planted_defect_is_reported_by_exactly_its_rows(
    catalogue: Connection, planted: Planted
) -> None:
    before = find_defects(catalogue)
    catalogue.exec_driver_sql(planted.statements)
    new = [str(found) for found in find_defects(catalogue) if found not in before]
    assert new == list(planted.reported)


def test_trigram_indexes_are_reported_wherever_the_extension_is_at_hand(
    catalogue: Connection,
) -> None:
    available = catalogue.scalar(
        text("select count(*) from pg_available_extensions where name = 'pg_trgm'")
    )
    if not available:
        # The embedded servers may lack pg_trgm. The planted indexes on jsonb and on text search
        # stand for this kind of index.
        return
    catalogue.exec_driver_sql("create extension pg_trgm")
    catalogue.exec_driver_sql(
        "create index planted on recado.messages using gin (body gin_trgm_ops)"
    )
    assert [found.object for found in find_defects(catalogue)] == [f"{MESSAGES}.planted"]


def test_an_empty_database_is_not_called_sound(empty_database: str) -> None:
    """An operator who points the command at the wrong database must be told."""
    engine = create_engine(normalise_url(empty_database), poolclass=pool.NullPool)
    with engine.connect() as connection:
        assert Defect(
            "exception", "uq_channels_key", "is declared in the gate, but there is no such index"
        ) in find_defects(connection)


def test_the_command_is_silent_on_a_sound_database(app: Flask) -> None:
    answer = app.test_cli_runner().invoke(args=["database", "check"])
    assert (answer.exit_code, answer.output) == (0, "No defects: tenants are isolated.\n")


def test_the_command_prints_each_defect_and_exits_with_1(
    app: Flask, settings: Settings, empty_database: str
) -> None:
    config.use(replace(settings, direct_url=empty_database))
    try:
        answer = app.test_cli_runner().invoke(args=["database", "check"])
    finally:
        config.use(settings)
    assert answer.exit_code == 1
    assert "exception: uq_channels_key is declared in the gate" in answer.output
    assert "defects. Fix them with a migration." in answer.output
