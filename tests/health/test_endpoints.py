"""The health endpoints, while the database, Redis and workers are available and while not."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from flask import Flask

from app import db
from app.config import Settings
from app.extensions import redis_handle
from app.health import service
from tests.factories import ApiClient

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture
def database_away(app: Flask, settings: Settings) -> Iterator[None]:
    """Replace the engine by one whose address nobody listens on."""
    before = db.Database.engine
    db.init(replace(settings, database_url=NOWHERE))
    yield
    db.dispose()
    db.Database.engine = before


@pytest.fixture
def redis_away(monkeypatch: pytest.MonkeyPatch, app: Flask) -> None:
    monkeypatch.setattr(redis_handle, "client", redis.Redis.from_url("redis://127.0.0.1:1/0"))


@pytest.fixture
def working(app: Flask) -> Iterator[None]:
    """Record a heartbeat, as a running worker does."""
    service.beat()
    yield
    redis_handle.client.delete(service.HEARTBEAT)


def test_a_sound_service_says_ok(nobody: ApiClient, working: None) -> None:
    assert nobody.get("/health").json == {"status": "ok", "db": "ok"}
    assert nobody.get("/api/health").json == {"status": "ok"}
    database = nobody.get("/health/db").json
    assert database["status"] == "ok"
    assert database["latency_ms"] >= 0
    state = nobody.get("/api/status")
    assert (state.status_code, state.json["status"]) == (200, "healthy")
    assert set(state.json["services"]) == {
        "webhook", "whatsapp_service", "queue_service", "websocket_service", "database", "redis",
        "openai",
    }  # fmt: skip


def test_without_a_worker_the_service_is_degraded_but_still_hears(nobody: ApiClient) -> None:
    redis_handle.client.delete(service.HEARTBEAT)
    answer = nobody.get("/api/status")
    assert (answer.status_code, answer.json["status"]) == (503, "degraded")
    services = answer.json["services"]
    assert (services["queue_service"], services["whatsapp_service"]) == ("down", "down")
    assert (services["webhook"], services["database"]) == ("ok", "ok")
    assert nobody.get("/health").status_code == 200


def test_a_database_that_is_away_is_told_with_503(
    nobody: ApiClient, working: None, database_away: None
) -> None:
    answer = nobody.get("/health")
    assert (answer.status_code, answer.json) == (503, {"status": "degraded", "db": "down"})
    assert nobody.get("/health/db").status_code == 503
    services = nobody.get("/api/status").json["services"]
    assert (services["database"], services["webhook"]) == ("down", "down")
    assert nobody.get("/api/health").status_code == 200


def test_without_its_database_the_api_says_503_and_when_to_come_back(
    signed_in: ApiClient, database_away: None
) -> None:
    answer = signed_in.get("/api/messages")
    assert (answer.status_code, answer.json["code"]) == (503, "database_unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def test_without_redis_the_service_is_degraded(nobody: ApiClient, redis_away: None) -> None:
    answer = nobody.get("/api/status")
    assert answer.status_code == 503
    assert answer.json["services"]["redis"] == "down"
    assert answer.json["services"]["database"] == "ok"
    assert nobody.get("/health").status_code == 200


def test_a_heartbeat_that_cannot_be_told_stops_nobody(redis_away: None) -> None:
    service.beat()
    assert service.queue() is service.State.DOWN
