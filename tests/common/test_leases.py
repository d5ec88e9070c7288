"""Leases: one holder at a time while Redis is there, everybody while it is away."""

import time
from typing import Any

import pytest
import redis
from flask import Flask

from app.common import leases
from app.common.ids import new_id
from app.extensions import redis_handle


@pytest.fixture
def name(app: Flask) -> str:
    return f"test:{new_id()}"


def lifetime(name: str) -> int:
    left: Any = redis_handle.client.ttl(leases.key_of(name))
    return int(left)


def test_one_gets_it_and_the_other_does_not(name: str) -> None:
    lease = leases.take(name)
    assert lease
    assert leases.take(name) is None
    leases.give_back(lease)
    assert leases.take(name)


def test_a_block_gives_it_back_even_when_it_fails(name: str) -> None:
    def fail() -> None:
        with leases.hold(name) as is_mine:
            assert is_mine
            with leases.hold(name) as is_mine_too:
                assert not is_mine_too
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with leases.hold(name) as is_mine:
        assert is_mine


def test_a_holder_who_was_too_slow_does_not_take_it_from_the_next_one(name: str) -> None:
    slow = leases.take(name)
    assert slow
    redis_handle.client.delete(leases.key_of(name))
    assert leases.take(name)
    leases.give_back(slow)
    assert leases.take(name) is None


def test_it_ends_by_itself_unless_it_is_renewed(name: str) -> None:
    assert leases.take(name)
    assert 0 < lifetime(name) <= leases.HELD_SECONDS
    redis_handle.client.expire(leases.key_of(name), 1)
    leases.renew()
    assert lifetime(name) > 1


def test_what_was_given_back_or_lost_is_not_renewed(name: str) -> None:
    lease = leases.take(name)
    assert lease
    redis_handle.client.set(leases.key_of(name), "another", ex=1)
    leases.renew()
    assert lifetime(name) <= 1
    leases.give_back(lease)
    leases.renew()
    assert lifetime(name) <= 1


def test_the_process_renews_what_it_holds_by_itself(name: str) -> None:
    assert leases.take(name)
    redis_handle.client.pexpire(leases.key_of(name), 2500)
    time.sleep(3.0)
    assert leases.take(name) is None


def test_without_redis_everybody_gets_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert leases.take(name)
    monkeypatch.setattr(redis_handle, "client", redis.Redis.from_url("redis://127.0.0.1:1/0"))
    lease = leases.take(name)
    assert lease
    leases.give_back(lease)
