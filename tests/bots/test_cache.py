"""The active definition in Redis: fresh after every change, without secrets, and not needed."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import redis

from app import db
from app.bots import cache
from app.extensions import redis_handle
from tests.bots.bodies import make, path_of
from tests.channels.local_server import closed_port
from tests.factories import ApiClient


def key_of(client: ApiClient, bot: dict[str, Any]) -> str:
    return f"bot:{client.tenant_id}:{bot['id']}"


def words(client: ApiClient, bot: dict[str, Any]) -> str | None:
    found = cache.active(client.tenant_id, UUID(bot["id"]))
    return found.definition.instructions if found else None


def test_the_first_read_fills_it_and_the_next_asks_no_database(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(signed_in, instructions="one")
    assert words(signed_in, made) == "one"
    monkeypatch.setattr(db, "tenant_session", None)
    assert words(signed_in, made) == "one"
    seconds = int(str(redis_handle.client.ttl(key_of(signed_in, made))))
    assert 0 < seconds <= cache.KEPT_SECONDS


@pytest.mark.parametrize(
    "change",
    [
        lambda client, path: client.put(path, {"instructions": "two"}),
        lambda client, path: client.post(f"{path}/versions/2/activate"),
        lambda client, path: client.delete(path),
    ],
)
def test_every_change_is_seen_at_once(
    signed_in: ApiClient, change: Callable[[ApiClient, str], Any]
) -> None:
    made = make(signed_in, instructions="one")
    path = path_of(made)
    signed_in.put(path, {"instructions": "two"})
    signed_in.post(f"{path}/versions/1/activate")
    assert words(signed_in, made) == "one"
    assert change(signed_in, path).status_code in {200, 204}
    assert words(signed_in, made) != "one"


def test_what_a_slow_reader_found_is_not_stored_after_a_change(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(signed_in, instructions="one")
    redis_handle.client.delete(key_of(signed_in, made))
    store = cache._store

    def late(key: str, before: str, entry: str) -> None:
        monkeypatch.setattr(cache, "_store", store)
        signed_in.put(path_of(made), {"instructions": "two"})
        store(key, before, entry)

    monkeypatch.setattr(cache, "_store", late)
    assert words(signed_in, made) == "one"
    assert words(signed_in, made) == "two"


def test_it_holds_no_secret(signed_in: ApiClient) -> None:
    secret = "sk-a-secret-of-ours"
    made = make(signed_in, model={"api_key": secret}, actions={"api_key": secret})
    words(signed_in, made)
    entry = redis_handle.client.get(key_of(signed_in, made))
    assert set(json.loads(str(entry))) == {"version", "definition"}
    assert secret not in str(entry)


def test_without_redis_the_database_is_read(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(signed_in, instructions="one")
    monkeypatch.setattr(
        redis_handle, "client", redis.Redis.from_url(f"redis://127.0.0.1:{closed_port()}/0")
    )
    assert words(signed_in, made) == "one"
    assert signed_in.put(path_of(made), {"instructions": "two"}).status_code == 200
    assert words(signed_in, made) == "two"
    assert signed_in.post(f"{path_of(made)}/refresh").json["source"] == "database"


def test_refresh_reloads_from_the_database(signed_in: ApiClient) -> None:
    made = make(signed_in, instructions="one")
    stale = {"version": 1, "definition": {"openai_model": "m", "instructions": "stale"}}
    redis_handle.client.set(key_of(signed_in, made), json.dumps(stale))
    assert words(signed_in, made) == "stale"
    answer = signed_in.post(f"{path_of(made)}/refresh")
    assert (answer.status_code, answer.json["source"]) == (200, "database")
    assert answer.json["data"] == made
    assert words(signed_in, made) == "one"


def test_another_tenant_does_not_share_an_entry(signed_in: ApiClient, outsider: ApiClient) -> None:
    made = make(signed_in, instructions="one")
    assert words(signed_in, made) == "one"
    assert words(outsider, made) is None
