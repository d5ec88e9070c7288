"""Guesses at passwords are limited, with Redis and without it."""

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import config
from app.config import Settings
from app.models import User

ROOT = Path(__file__).resolve().parents[2]


def guess(app: Flask, username: str, address: str) -> TestResponse:
    return app.test_client().post(
        "/auth/login",
        json={"username": username, "password": "wrong"},
        environ_overrides={"REMOTE_ADDR": address},
    )


@pytest.fixture
def address() -> str:
    """An address in a network that no other test counts against."""
    return f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"


def limit(monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:
    monkeypatch.setattr(config.InForce, "settings", replace(config.current(), **limits))


def test_guesses_at_one_username_are_limited(
    app: Flask, owner: User, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, login_rate_limit="3 per minute")
    statuses = [guess(app, owner.username, address).status_code for _ in range(3)]
    assert statuses == [401, 401, 401]
    refused = guess(app, owner.username.upper(), address)
    assert (refused.status_code, refused.get_json()["code"]) == (429, "rate_limited")
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert guess(app, "somebody-else", address).status_code == 401
    other = f"2001:db8:{uuid4().hex[:4]}:{uuid4().hex[:4]}::1"
    assert guess(app, owner.username, other).status_code == 401


def test_all_addresses_of_one_ipv6_network_count_together(
    app: Flask, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, login_address_rate_limit="3 per minute")
    network = address.removesuffix("::1")
    rotating = [f"{network}:{uuid4().hex[:4]}:{uuid4().hex[:4]}::{n}" for n in range(1, 5)]
    statuses = [guess(app, f"user-{n}", each).status_code for n, each in enumerate(rotating)]
    assert statuses == [401, 401, 401, 429]


def test_guesses_from_one_address_are_limited(
    app: Flask, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, login_address_rate_limit="3 per minute")
    statuses = [guess(app, f"user-{n}", address).status_code for n in range(4)]
    assert statuses == [401, 401, 401, 429]


def test_a_body_without_a_username_counts_too(
    app: Flask, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(monkeypatch, login_address_rate_limit="1 per minute")
    client = app.test_client()
    answers = [
        client.post(
            "/auth/login", data=b"{", environ_overrides={"REMOTE_ADDR": address}
        ).status_code
        for _ in range(2)
    ]
    assert answers[1] == 429


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on which nothing listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@contextmanager
def silent_port() -> Iterator[int]:
    """A port that accepts connections and never answers, like a frozen Redis."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(50)
        yield listening.getsockname()[1]


@pytest.mark.parametrize("redis", [closed_port, silent_port], ids=["dead", "frozen"])
def test_without_redis_the_api_answers_and_the_limit_holds(
    settings: Settings, owner: User, redis: type
) -> None:
    key_id, key = next(iter(settings.encryption_keys.items()))
    with redis() as port:
        environ = {
            "PATH": os.environ["PATH"],
            "APP_ENV": "test",
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": f"redis://127.0.0.1:{port}/0",
            "SECRET_KEY": settings.secret_key,
            "ENCRYPTION_KEYS": f"{key_id}:{base64.b64encode(key).decode()}",
            "LOGIN_RATE_LIMIT": "4 per minute",
        }
        command = [sys.executable, "-m", "tests.auth.away_from_redis", owner.username]
        done = subprocess.run(
            command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=50, check=False
        )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["statuses"] == [200, 200, 200, 200, 429, 429]
    assert seen["slowest"] < 5
    assert int(seen["retry_after"]) > 0
