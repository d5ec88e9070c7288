"""Requests that find out at the same moment that Redis is away."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from redis.exceptions import ConnectionError as RedisConnectionError

from app.auth import passwords
from app.extensions import limiter

TOGETHER = 6


def test_none_of_them_is_answered_500(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    all_are_here, have_met = threading.Barrier(TOGETHER), threading.Event()

    def away(*_args: Any, **_kwargs: Any) -> int:
        # Later calls of the same requests come one by one.
        if not have_met.is_set():
            all_are_here.wait(20)
            have_met.set()
        raise RedisConnectionError("Connection refused")

    monkeypatch.setattr(limiter.storage, "_count", away)
    monkeypatch.setattr(limiter.storage, "_away_until", 0.0)
    # Hashes have the lowest priority: on a busy machine one takes a second, and these are six.
    monkeypatch.setattr(passwords, "LONGEST_WAIT_SECONDS", 25.0)
    with ThreadPoolExecutor(TOGETHER) as pool:
        bodies = [{"username": f"nobody-{n}", "password": "wrong"} for n in range(TOGETHER)]
        calls = [pool.submit(app.test_client().post, "/auth/login", json=body) for body in bodies]
        statuses = {call.result(30).status_code for call in calls}
        monkeypatch.setattr(limiter.storage, "_away_until", 0.0)
    assert statuses == {401}
