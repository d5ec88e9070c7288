import time
from typing import Any

from app.extensions import Blueprint, limiter
from app.health import service
from app.health.schemas import AliveSchema, DatabaseSchema, HealthSchema, StatusSchema
from app.health.service import State

health = Blueprint("health", "health")
state = Blueprint("state", "state")

Answer = tuple[dict[str, Any], int]


@health.get("")
@limiter.exempt
@health.response(200, HealthSchema)
@health.alt_response(
    503,
    schema=HealthSchema,
    description="The database does not answer",
    example={"status": "degraded", "db": "down"},
)
def get_health() -> Answer:
    """Check the service and its database"""
    found = service.database()
    is_ok = found is State.OK
    return {"status": "ok" if is_ok else "degraded", "db": found}, 200 if is_ok else 503


@health.get("/db")
@limiter.exempt
@health.response(200, DatabaseSchema)
@health.alt_response(
    503,
    schema=DatabaseSchema,
    description="The database does not answer",
    example={"status": "down", "latency_ms": 2000.0},
)
def get_database_health() -> Answer:
    """Check the database

    Whether it answers, and how fast.
    """
    started = time.perf_counter()
    found = service.database()
    taken = round((time.perf_counter() - started) * 1000, 1)
    return {"status": found, "latency_ms": taken}, 200 if found is State.OK else 503


@state.get("/health")
@limiter.exempt
@state.response(200, AliveSchema)
def get_alive() -> dict[str, str]:
    """Check this process

    It asks nothing else: no database, no Redis.
    """
    return {"status": "ok"}


@state.get("/status")
@limiter.exempt
@state.response(200, StatusSchema)
@state.alt_response(
    503,
    schema=StatusSchema,
    description="A part that the service depends on is away",
    example={
        "status": "degraded",
        "services": {
            "webhook": "ok",
            "whatsapp_service": "down",
            "queue_service": "down",
            "websocket_service": "not_configured",
            "database": "ok",
            "redis": "down",
            "openai": "not_configured",
        },
    },
)
def get_status() -> Answer:
    """Show the state of each part"""
    services = service.services()
    is_degraded = State.DOWN in services.values()
    status = "degraded" if is_degraded else "healthy"
    return {"status": status, "services": services}, 503 if is_degraded else 200
