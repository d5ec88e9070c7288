"""Queries of the scheduler about the inboxes of all tenants: items to apply, and lists to read.

They run as recado_system, which sees ids, states and due times, never content.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text

from app import config
from app.common.retention import Expiring
from app.inbox import ledger
from app.tasks import names
from app.tasks.due import DueWork, Ring

APPLY = text("""
    with recursive tenant as (
        (select tenant_id, 1 as number from recado.inbox_items
         where state = 'received' and tenant_id > :after_tenant_id order by tenant_id limit 1)
        union all
        select next.tenant_id, t.number + 1 from tenant t cross join lateral (
            select tenant_id from recado.inbox_items
            where state = 'received' and tenant_id > t.tenant_id order by tenant_id limit 1
        ) as next where t.number < :most
    )
    select t.tenant_id, exists (
        select from recado.inbox_items i
        where i.tenant_id = t.tenant_id and i.state = 'received' and i.due_at <= now()
    ) as is_due
    from tenant t order by t.tenant_id
""")
"""The next `most` tenants after a given one that have items to apply, and whether some are due."""

REPAIR = text("""
    select tenant_id, id from recado.channels
    where status = 'active' and repair_at <= now() order by repair_at limit :most
""")
"""The channels whose lists have been due for longest. The limit per second is low, because nobody
waits for them and the provider counts our calls."""


def apply_rings(row: Row[Any]) -> Iterator[Ring]:
    if row.is_due:
        yield names.APPLY_INBOX, row.tenant_id


def repair_rings(row: Row[Any]) -> Iterator[Ring]:
    yield names.REPAIR_CHANNEL, row.tenant_id, row.id


DUE = (
    DueWork("apply", APPLY, ("tenant_id",), apply_rings),
    DueWork("repair", REPAIR, (), repair_rings, most=5),
)


def _kept() -> dict[str, Any]:
    return {"inbox_kept": timedelta(days=config.current().inbox_retention_days)}


EXPIRING = Expiring(
    {"inbox_items": "state in ('applied', 'ignored') and finished_at < now() - :inbox_kept"},
    ledger.forget_finished,
    _kept,
)
