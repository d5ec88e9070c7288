"""Servers for one test run. They ignore DATABASE_URL and REDIS_URL of the environment."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from dev import binaries
from dev.postgres import THROW_AWAY_SETTINGS, EmbeddedPostgres
from dev.valkey import EmbeddedValkey


@dataclass(frozen=True)
class TestServers:
    """A Postgres and a Valkey of their own, empty at the start.

    `database_admin_url` is the superuser on the database `postgres`; `database_url` is the login
    `recado` (no superuser, may create databases and roles) on its database `recado`.
    """

    # The name begins like pytest's test classes, but this is not one.
    __test__ = False

    database_admin_url: str
    database_url: str
    redis_url: str
    _postgres: EmbeddedPostgres = field(repr=False)
    _valkey: EmbeddedValkey = field(repr=False)
    _folder: Path = field(repr=False)

    def stop(self) -> None:
        """Stop both servers and remove their data."""
        self._valkey.stop()
        self._postgres.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def start_test_servers() -> TestServers:
    """Start both on free ports with their data in a temporary folder (about 1 s).

    Call it once per test run, in the main thread: under pytest-xdist in `pytest_configure` of the
    controller (`not hasattr(config, "workerinput")`), and pass the URLs to the workers in
    environment variables. If the run is killed, the servers end by themselves.
    """
    folder = binaries.temporary_folder("test")
    postgres = EmbeddedPostgres(folder / "postgres", settings=THROW_AWAY_SETTINGS)
    valkey = EmbeddedValkey(folder / "valkey")
    try:
        postgres.start()
        valkey.start()
    except BaseException:
        valkey.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return TestServers(
        database_admin_url=postgres.admin_url,
        database_url=postgres.url,
        redis_url=valkey.url,
        _postgres=postgres,
        _valkey=valkey,
        _folder=folder,
    )
