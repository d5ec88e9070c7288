import io
import os
import sys
from pathlib import Path

import psycopg2
import pytest
import redis

from dev import ports
from dev.__main__ import setting
from dev.errors import DevError
from dev.log import MergedLog
from dev.postgres import EmbeddedPostgres
from dev.processes import Command, ProcessTable
from dev.settings import StackSettings, temporary
from dev.stack import Stack, only_one
from dev.testing import start_test_servers
from dev.valkey import EmbeddedValkey

SHOW_URLS = "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"


def nothing_but_the_urls(_: StackSettings, database_url: str, redis_url: str) -> ProcessTable:
    show = Command("migrate", (sys.executable, "-c", SHOW_URLS))
    env = {"PATH": os.defpath, "DATABASE_URL": database_url, "REDIS_URL": redis_url}
    return ProcessTable((show,), (), env)


def test_servers_that_the_developer_names_are_used_and_never_stopped(place: Path) -> None:
    output = io.StringIO()
    with EmbeddedPostgres(place / "theirs") as postgres, EmbeddedValkey(place / "cache") as valkey:
        settings = StackSettings(
            data_dir=place / "data",
            environ={"DATABASE_URL": postgres.url, "REDIS_URL": valkey.url},
            web_port=ports.free_port(),
            simulator_port=ports.free_port(),
        )
        stack = Stack(settings, MergedLog(output), nothing_but_the_urls)
        stack.start()
        stack.stop()

        assert output.getvalue() == f"migrate   | {postgres.url} {valkey.url}\n"
        assert list((place / "data").iterdir()) == []
        psycopg2.connect(postgres.url).close()
        with redis.Redis.from_url(valkey.url) as client:
            assert client.ping()


def test_a_temporary_stack_ignores_the_settings_of_outside(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "REDIS_URL", "DIRECT_URL", "TWILIO_AUTH_TOKEN"):
        monkeypatch.setenv(name, "production")

    settings = temporary(place)

    assert settings.starts_postgres
    assert settings.starts_valkey
    assert "production" not in settings.environ.values()


def test_a_setting_is_given_to_a_command_by_name_and_value() -> None:
    assert setting("TENANT_RATE_LIMIT=9 per minute") == ("TENANT_RATE_LIMIT", "9 per minute")
    for wrong in ("TENANT_RATE_LIMIT", "=9"):
        with pytest.raises(ValueError, match=wrong):
            setting(wrong)


def test_the_servers_of_a_test_run_leave_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("REDIS_URL", "redis://production")

    servers = start_test_servers()
    psycopg2.connect(servers.database_url).close()
    psycopg2.connect(servers.database_admin_url).close()
    with redis.Redis.from_url(servers.redis_url) as client:
        folder = Path(str(client.config_get("dir")["dir"])).parent
    assert folder.is_dir()
    servers.stop()

    assert not folder.exists()


def test_the_lock_on_the_data_is_free_again_afterwards(place: Path) -> None:
    with (
        only_one(place),
        pytest.raises(DevError, match=f"process {os.getpid()}"),
        only_one(place),
    ):
        pass
    with only_one(place):
        pass
