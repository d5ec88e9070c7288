"""Gauges that are the same in every process: they are read from the database at each scrape."""

from collections.abc import Iterator

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app.health import service as health
from app.health.backlog import OPEN, Backlog

log = structlog.get_logger(__name__)


def gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=float(value))


class StateCollector(Collector):
    """Queries the database at each scrape. While it is away, the only sample says so."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        silence = health.silence()
        if silence is not None:
            yield gauge(
                "recado_beat_age_seconds", "Since the beat's last whole tick (+Inf: long).", silence
            )
        try:
            backlog = health.read_backlog()
        except SQLAlchemyError as error:
            log.warning("metrics_without_database", error=type(error).__name__)
            yield gauge("recado_database_up", "Whether the database answers.", 0)
            return
        yield gauge("recado_database_up", "Whether the database answers.", 1)
        yield from of_messages(backlog)
        yield from of_inbox(backlog)
        yield gauge(
            "recado_channels_paused",
            "Channels whose provider accepts no messages from them.",
            backlog.channels_paused,
        )


def of_messages(backlog: Backlog) -> Iterator[GaugeMetricFamily]:
    yield gauge("recado_queue_due", "Messages due now.", backlog.due)
    yield gauge(
        "recado_queue_oldest_due_seconds",
        "Age of the oldest message due now.",
        backlog.oldest_due,
    )
    family = GaugeMetricFamily(
        "recado_messages_open",
        "Messages whose outcome is open, including those due later.",
        labels=["status"],
    )
    for status in OPEN:
        family.add_metric([status], backlog.open.get(status, 0))
    yield family


def of_inbox(backlog: Backlog) -> Iterator[GaugeMetricFamily]:
    yield gauge("recado_inbox_waiting", "Inbox items not yet applied.", backlog.inbox_waiting)
    yield gauge("recado_inbox_parked", "Inbox items that need a person.", backlog.inbox_parked)
    yield gauge(
        "recado_inbox_oldest_due_seconds",
        "Age of the oldest of those waiting.",
        backlog.inbox_oldest_due,
    )
    yield gauge(
        "recado_repair_lag_seconds", "Oldest reading of a list overdue.", backlog.repair_lag
    )
    yield gauge(
        "recado_repair_failing",
        ("Channels whose list cannot be read completely."),
        backlog.repair_failing,
    )
