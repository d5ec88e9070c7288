"""The clean-up: every ten minutes, remove expired rows, tenant by tenant."""

import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, text

from app import config, db
from app.auth import due as auth
from app.bots import due as bots
from app.common import idempotency
from app.conversations import due as conversations
from app.delivery import due as delivery
from app.events import due as events
from app.extensions import celery
from app.inbox import due as inbox
from app.messages import due as messages
from app.tasks import names
from app.tasks.due import DueWork, Ring, ring_all
from app.tasks.ring import send
from app.tasks.schedule import is_first_within

log = structlog.get_logger(__name__)

CLEAN_UP_MS = 300_000
CLEANED_AT_ONCE = 500
CLEAN_SECONDS = 30.0
MONTHS_AHEAD = 3

EXPIRING = (
    idempotency.EXPIRING,
    auth.EXPIRING,
    bots.EXPIRING,
    bots.EXPIRING_SPEND,
    inbox.EXPIRING,
    *messages.EXPIRING,
    events.EXPIRING,
)
"""Every kind of row that expires."""

_SOME_OLD = " union all ".join(
    f"(select from recado.{table} o where o.tenant_id = t.tenant_id and {is_old} limit 1)"
    for kind in EXPIRING
    for table, is_old in kind.is_old.items()
)
OLD = text(f"""
    select t.tenant_id from recado.tenants t cross join lateral ({_SOME_OLD} limit 1) as old
    where t.tenant_id > :after_tenant_id order by t.tenant_id limit :most
""")  # noqa: S608 (ours)
"""The next `most` tenants after a given one that have expired rows."""

KEEP_MONTHS = text("select recado.keep_months(:table, :ahead, :kept)")


def _parameters() -> Mapping[str, Any]:
    return {name: value for kind in EXPIRING for name, value in kind.parameters().items()}


def _rings(row: Row[Any]) -> Iterator[Ring]:
    yield names.CLEAN_TENANT, row.tenant_id


OVER = (
    *delivery.OVER,
    *conversations.OVER,
    DueWork("clean", OLD, ("tenant_id",), _rings, parameters=_parameters),
)


@celery.task(name=names.CLEAN_UP)
def clean_up() -> None:
    """Enqueue the clean-up of every tenant that has expired rows."""
    if is_first_within("clean-up", CLEAN_UP_MS):
        send(names.KEEP_MONTHS)
        ring_all(OVER)


@celery.task(name=names.CLEAN_TENANT)
def clean_tenant(tenant_id: str) -> None:
    """Remove the expired rows of one tenant, a few in each transaction.

    When the time slice ends, the task is enqueued again, so that other tenants have their turn.
    """
    until = time.monotonic() + CLEAN_SECONDS
    for kind in EXPIRING:
        removed = CLEANED_AT_ONCE
        while removed >= CLEANED_AT_ONCE:
            if time.monotonic() >= until:
                send(names.CLEAN_TENANT, tenant_id)
                return
            with db.tenant_session(UUID(tenant_id)) as session:
                removed = kind.forget(session, CLEANED_AT_ONCE)


@celery.task(name=names.KEEP_MONTHS)
def keep_months() -> None:
    """Create the next monthly partitions, and drop those that are too old.

    What fails because a table is in use is tried again at the next call.
    """
    settings = config.current()
    for table, days in {
        "events": settings.event_retention_days,
        "audit_entries": settings.audit_retention_days,
    }.items():
        kept = timedelta(days=days) if days else None
        with db.system_session() as session:
            done = session.scalar(
                KEEP_MONTHS, {"table": table, "ahead": MONTHS_AHEAD, "kept": kept}
            )
        if done:
            log.info("months_kept", table=table, done=done)
