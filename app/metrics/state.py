"""Gauges that are the same whichever process answers: read from the database when asked.

As recado_system: states and due times of all tenants, never content.
"""

from collections.abc import Iterator

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Row, text
from sqlalchemy.exc import SQLAlchemyError

from app import db
from app.health import service as health

log = structlog.get_logger(__name__)

MESSAGES = text("""
    select m.status, count(*) filter (where m.is_due) as due, count(*) as all_of_them,
        coalesce(extract(epoch from now() - min(m.due_at) filter (where m.is_due)), 0) as age
    from (
        select m.status, m.due_at, m.status = 'queued' and not m.is_held and m.due_at <= now()
            and (m.retry_at is null or m.retry_at <= now())
            and c.status = 'active' and t.status = 'active'
            and (c.paused_until is null or c.paused_until <= now()) as is_due
        from recado.messages m
        join recado.channels c on c.tenant_id = m.tenant_id and c.id = m.channel_id
        join recado.tenants t on t.tenant_id = m.tenant_id
        where m.status in ('queued', 'sending', 'uncertain')
    ) as m
    group by m.status
""")
"""What waits because its channel is disabled or in trouble is not due: no worker could send it."""

INBOX = text("""
    select count(*) filter (where state = 'received') as waiting,
        count(*) filter (where state = 'parked') as parked,
        coalesce(extract(epoch from now() - min(due_at) filter (where state = 'received')), 0)
            as age
    from recado.inbox_items where state = 'received' or state = 'parked'
""")

CHANNELS = text("""
    select coalesce(greatest(extract(epoch from now() - min(repair_at)), 0), 0) as lag,
        count(*) filter (where repair_tries >= 3) as failing,
        count(*) filter (where paused_until is not null) as paused
    from recado.channels where status = 'active'
""")


def gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=float(value))


class StateCollector(Collector):
    """Asks anew at each scrape; without a database only says so."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        silence = health.silence()
        if silence is not None:
            yield gauge(
                "recado_beat_age_seconds", "Since the beat's last whole tick (+Inf: long).", silence
            )
        try:
            with db.system_session() as session:
                messages = {row.status: row for row in session.execute(MESSAGES)}
                inbox = session.execute(INBOX).one()
                channels = session.execute(CHANNELS).one()
        except SQLAlchemyError as error:
            log.warning("metrics_without_database", error=type(error).__name__)
            yield gauge("recado_database_up", "Whether the database answers.", 0)
            return
        yield gauge("recado_database_up", "Whether the database answers.", 1)
        yield from of_messages(messages)
        yield gauge("recado_inbox_waiting", "Inbox items not yet applied.", inbox.waiting)
        yield gauge("recado_inbox_parked", "Inbox items that need a person.", inbox.parked)
        yield gauge(
            "recado_inbox_oldest_due_seconds", "Age of the oldest of those waiting.", age(inbox)
        )
        yield gauge("recado_repair_lag_seconds", "Oldest reading of a list overdue.", channels.lag)
        yield gauge(
            "recado_channels_paused",
            "Channels whose provider takes nothing from them.",
            channels.paused,
        )
        yield gauge(
            "recado_repair_failing", "Channels whose list cannot be read whole.", channels.failing
        )


def age(row: Row[tuple[float]]) -> float:
    return max(0.0, float(row.age))


def of_messages(by_status: dict[str, Row[tuple[float]]]) -> Iterator[GaugeMetricFamily]:
    queued = by_status.get("queued")
    yield gauge("recado_queue_due", "Messages due now.", queued.due if queued else 0)
    yield gauge(
        "recado_queue_oldest_due_seconds",
        "Age of the oldest message due now.",
        age(queued) if queued else 0,
    )
    family = GaugeMetricFamily(
        "recado_messages_open",
        "Messages whose fate is open, also those due later.",
        labels=["status"],
    )
    for status in ("queued", "sending", "uncertain"):
        row = by_status.get(status)
        family.add_metric([status], row.all_of_them if row else 0)
    yield family
