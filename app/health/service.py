"""Health checks of the parts that the service depends on."""

import time
from enum import StrEnum

import structlog
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app import db
from app.extensions import redis_handle
from app.health.backlog import read as read_backlog

__all__ = ["beat", "read_backlog", "services", "silence"]

log = structlog.get_logger(__name__)

HEARTBEAT = "heartbeat:worker"
HEARTBEAT_SECONDS = 15


class State(StrEnum):
    OK = "ok"
    DOWN = "down"
    NOT_CONFIGURED = "not_configured"


def beat() -> None:
    """Record that a worker is alive; called at the end of each tick of the scheduler."""
    try:
        redis_handle.client.set(HEARTBEAT, int(time.time()), ex=HEARTBEAT_SECONDS)
    except RedisError as error:
        log.warning("heartbeat_failed", error=type(error).__name__)


def silence() -> float | None:
    """Return the seconds since the last complete tick; infinite when longer than is recorded.

    Returns None while Redis is away. An emptied Redis looks like a long silence.
    """
    try:
        last = redis_handle.client.get(HEARTBEAT)
    except RedisError:
        return None
    return float("inf") if last is None else max(0.0, time.time() - int(str(last)))


def database() -> State:
    try:
        with db.anonymous_session() as session:
            session.execute(text("select 1"))
    except SQLAlchemyError as error:
        log.warning("database_down", error=type(error).__name__)
        return State.DOWN
    return State.OK


def redis() -> State:
    try:
        redis_handle.client.ping()
    except RedisError:
        return State.DOWN
    return State.OK


def queue() -> State:
    """Return whether a worker has run a tick of the scheduler lately."""
    try:
        return State.OK if redis_handle.client.exists(HEARTBEAT) else State.DOWN
    except RedisError:
        return State.DOWN


def services() -> dict[str, State]:
    """Return part → state. Receiving needs only the database; sending needs a worker as well."""
    database_state, redis_state, queue_state = database(), redis(), queue()
    is_sending = database_state is State.OK and queue_state is State.OK
    return {
        "webhook": database_state,
        "whatsapp_service": State.OK if is_sending else State.DOWN,
        "queue_service": queue_state,
        "websocket_service": State.NOT_CONFIGURED,
        "database": database_state,
        "redis": redis_state,
        "openai": State.NOT_CONFIGURED,
    }
