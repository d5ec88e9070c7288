"""Redis as Celery's broker, which may go away and come back while tasks run.

kombu 5.7 then wants to acknowledge, or put back, what came over the lost connection, finds that
connection's fields empty, and the whole worker ends with an AttributeError. Our tasks may be lost
or repeated without harm, so neither is needed.
"""

from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.transport.redis import Channel, QoS


class ForgetfulQoS(QoS):
    """Knows nothing more of a message once the connection that brought it is gone."""

    restore_at_shutdown = False

    def ack(self, delivery_tag: str) -> None:
        if self._is_connected():
            super().ack(delivery_tag)  # type: ignore[no-untyped-call]

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        if self._is_connected():
            super().reject(delivery_tag, requeue)  # type: ignore[no-untyped-call]

    def _is_connected(self) -> bool:
        connection: Any = self.channel.connection
        return not self.channel.closed and connection is not None and connection.client is not None


class SteadyConnection(Connection):
    """Asks each second for a broker that is away.

    Celery waits longer each time, up to half a minute in which all is back and nobody works; no
    setting of it changes that.
    """

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        steady = {"interval_start": 1.0, "interval_step": 0.0, "interval_max": 1.0}
        return super().ensure_connection(*args, **{**steady, **options})  # type: ignore[no-untyped-call]


def survive_outages(app: Celery) -> None:
    """For every broker connection of this process that is opened from now on."""
    Channel.QoS = ForgetfulQoS
    app.amqp.Connection = SteadyConnection
