"""A courtesy lock: one at a time while Redis is there, everybody while it is not."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import redis
from flask import Flask

from app.common import singleton
from app.common.ids import new_id
from app.extensions import redis_handle


@pytest.fixture
def name(app: Flask) -> str:
    return f"test:{new_id()}"


def in_another_thread(name: str) -> bool:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(singleton.acquire, name).result()


def test_one_goes_on_and_the_other_does_not(name: str) -> None:
    assert singleton.acquire(name)
    assert not in_another_thread(name)
    singleton.release(name)
    assert in_another_thread(name)


def test_nobody_releases_what_another_holds(name: str) -> None:
    assert in_another_thread(name)
    singleton.release(name)
    assert not singleton.acquire(name)


def test_a_holder_who_was_too_slow_does_not_release_his_successor(name: str) -> None:
    assert singleton.acquire(name)
    redis_handle.client.delete(f"lock:{name}")
    assert in_another_thread(name)
    singleton.release(name)
    assert not in_another_thread(name)


def test_a_lock_ends_by_itself(name: str) -> None:
    assert singleton.acquire(name)
    assert 0 < int(str(redis_handle.client.ttl(f"lock:{name}"))) <= singleton.HELD_SECONDS


def test_a_holder_who_goes_on_keeps_the_lock(name: str) -> None:
    assert singleton.acquire(name)
    redis_handle.client.expire(f"lock:{name}", 1)
    singleton.renew(name)
    assert int(str(redis_handle.client.ttl(f"lock:{name}"))) > 1


def test_a_lock_that_is_lost_is_not_renewed(name: str) -> None:
    assert singleton.acquire(name)
    redis_handle.client.set(f"lock:{name}", "another", ex=1)
    singleton.renew(name)
    assert int(str(redis_handle.client.ttl(f"lock:{name}"))) <= 1


def test_without_redis_everybody_goes_on(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert singleton.acquire(name)
    monkeypatch.setattr(redis_handle, "client", redis.Redis.from_url("redis://127.0.0.1:1/0"))
    assert singleton.acquire(name)
    singleton.release(name)
