"""Messages that a worker still holds when it loses its broker."""

from typing import Any

import pytest
from kombu.connection import Connection
from kombu.exceptions import OperationalError

from app.config import Settings
from app.extensions import celery
from app.tasks.broker import survive_outages


@pytest.fixture
def connection(settings: Settings) -> Any:
    survive_outages(celery)
    make: Any = Connection
    return make(settings.redis_url)


def received(connection: Any, name: str) -> Any:
    """Return a new message from a queue of this name; it is not acknowledged yet."""
    queue = connection.SimpleQueue(name)
    queue.put("a ring")
    return queue.get(timeout=5)


def lose(channel: Any) -> None:
    """Do what kombu does to a channel when its connection to Redis is lost."""
    channel._disconnect_pools()
    channel.connection.client = None


@pytest.mark.parametrize("answer", ["ack", "reject"])
def test_a_message_of_a_lost_connection_is_forgotten_without_an_error(
    connection: Any, answer: str
) -> None:
    message = received(connection, "forgotten")
    lose(message.channel)
    getattr(message, answer)()


def test_nothing_is_put_back_over_the_connection_that_was_lost(connection: Any) -> None:
    message = received(connection, "not put back")
    lose(message.channel)
    message.channel.qos.restore_unacked_once()


def test_a_message_of_a_live_connection_is_acknowledged(connection: Any) -> None:
    message = received(connection, "remembered")
    channel, tag = message.channel, message.delivery_tag
    assert channel.client.hexists(channel.unacked_key, tag)
    message.ack()
    assert not channel.client.hexists(channel.unacked_key, tag)
    connection.release()


def test_a_broker_that_is_away_is_asked_each_second(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    survive_outages(celery)
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda _seconds: None)
    waits: list[float] = []
    away = celery.amqp.Connection("redis://127.0.0.1:9/0")
    with pytest.raises(OperationalError):
        away.ensure_connection(lambda _error, wait: waits.append(wait), 4)
    assert waits == [1.0, 1.0, 1.0, 1.0]
