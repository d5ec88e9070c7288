"""Redis as Celery's broker, which may go away and come back while tasks run.

After a lost connection kombu 5.7 tries to acknowledge, or requeue, what came over it, finds that
connection's fields empty, and the whole worker ends with an AttributeError. Our tasks may be lost
or repeated, so neither is needed.
"""

from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.transport.redis import Channel, QoS


class ForgetfulQoS(QoS):
    """Forgets all messages of a connection once it is lost."""

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
    """Retries each second while the broker is away.

    Celery backs off up to half a minute, during which everything is back but nobody works; it has
    no setting for this.
    """

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        steady = {"interval_start": 1.0, "interval_step": 0.0, "interval_max": 1.0}
        return super().ensure_connection(*args, **{**steady, **options})  # type: ignore[no-untyped-call]


def survive_outages(app: Celery) -> None:
    """Apply both changes to every broker connection that this process opens from now on."""
    Channel.QoS = ForgetfulQoS
    app.amqp.Connection = SteadyConnection
