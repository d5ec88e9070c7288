"""The rate limit's counters cost one call to Redis for each request."""

import time
from typing import Any
from uuid import uuid4

import pytest
import redis
from flask import Flask
from limits.errors import ConfigurationError
from limits.storage import storage_from_string
from werkzeug.test import TestResponse

from app.common.rate_counts import SCHEME, RateCounts
from app.config import Settings


@pytest.fixture
def counts(settings: Settings) -> RateCounts:
    storage = storage_from_string(SCHEME + settings.redis_url)
    assert isinstance(storage, RateCounts)
    return storage


def get(app: Flask, address: str) -> TestResponse:
    return app.test_client().get("/openapi.json", environ_overrides={"REMOTE_ADDR": address})


def test_a_request_asks_redis_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"2001:db8::{uuid4().hex[:4]}"
    get(app, address)
    asked: list[str] = []
    execute = redis.Redis.execute_command

    def noted(self: redis.Redis, *command: Any, **options: Any) -> Any:
        asked.append(command[0])
        return execute(self, *command, **options)  # type: ignore[no-untyped-call]  # redis

    monkeypatch.setattr(redis.Redis, "execute_command", noted)
    answer = get(app, address)
    assert asked == ["EVALSHA"]
    assert answer.headers["X-RateLimit-Limit"] == "10000"
    assert answer.headers["X-RateLimit-Remaining"] == "9998"
    assert 0 < int(answer.headers["X-RateLimit-Reset"]) - time.time() <= 61


def test_a_counter_is_read_from_redis_outside_a_request(counts: RateCounts) -> None:
    key = uuid4().hex
    assert [counts.incr(key, 60), counts.incr(key, 60, amount=3)] == [1, 4]
    assert counts.get(key) == 4
    assert 50 < counts.get_expiry(key) - time.time() <= 60
    assert counts.get(uuid4().hex) == 0


def test_a_request_does_not_read_a_counter_of_an_earlier_one(
    app: Flask, counts: RateCounts
) -> None:
    key = uuid4().hex
    with app.test_request_context():
        counts.incr(key, 60)
        assert counts.get(key) == 1
    counts.incr(key, 60)
    with app.test_request_context():
        assert counts.get(key) == 2


def test_only_addresses_of_redis_are_taken() -> None:
    with pytest.raises(ConfigurationError):
        storage_from_string(f"{SCHEME}memcached://localhost")
