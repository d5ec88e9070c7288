"""Background work on what providers told us."""

import time
from functools import partial
from uuid import UUID

from app import config
from app.extensions import celery
from app.inbox import apply, doubts, repair
from app.inbox.reading import Outcome
from app.tasks import names
from app.tasks.drain import drain
from app.tasks.ring import ring_once, unneeded

GATHER_SECONDS = 0.05
"""After something came: receipts come one upon the other, and one look takes all of these."""

SLICE_SECONDS = 10.0
"""Then the worker looks after other tenants first."""


@celery.task(name=names.APPLY_INBOX)
def apply_inbox(tenant_id: str) -> None:
    """Apply what waits in the inbox of one tenant.

    One worker does it, and INBOX_LANES do while a whole batch waits: more would only take the time
    that the web service needs to answer the next webhook, unless the database is far away.
    """
    tenant = UUID(tenant_id)
    drain(
        names.APPLY_INBOX,
        tenant_id,
        step=partial(_apply_some, tenant),
        is_due=lambda: apply.apply_due(tenant) > 0,
        slice_seconds=SLICE_SECONDS,
    )


@celery.task(name=names.HELP_INBOX)
def help_inbox(tenant_id: str, lane: str) -> None:
    """Apply beside `apply_inbox` while whole batches wait; each lane has one worker."""
    tenant = UUID(tenant_id)
    drain(
        names.HELP_INBOX,
        tenant_id,
        lane,
        step=lambda: apply.apply_due(tenant) == apply.BATCH,
        is_due=lambda: False,
        slice_seconds=SLICE_SECONDS,
    )


def _apply_some(tenant: UUID) -> bool:
    taken = apply.apply_due(tenant)
    if taken == apply.BATCH:
        for lane in range(1, config.current().inbox_lanes):
            ring_once(names.HELP_INBOX, tenant, lane)
    elif taken:
        unneeded(names.APPLY_INBOX, tenant)
        time.sleep(GATHER_SECONDS)
    return taken > 0


@celery.task(name=names.REPAIR_CHANNEL)
def repair_channel(tenant_id: str, channel_id: str) -> None:
    """Compare one channel with its provider's list, if it is due and its tenant has a free slot."""
    tenant, channel = UUID(tenant_id), UUID(channel_id)
    with repair.slot(tenant) as has_slot:
        if not has_slot:
            doubts.wait_in_line(tenant, channel)
            return
        drain(
            names.REPAIR_CHANNEL,
            tenant_id,
            channel_id,
            step=lambda: repair.read_page(tenant, channel).outcome is Outcome.MORE,
            is_due=partial(repair.is_due, tenant, channel),
            slice_seconds=SLICE_SECONDS,
        )


@celery.task(name=names.REPAIR_SOON)
def repair_soon() -> None:
    """After a silence of ours: have every channel's list read for what we may have missed."""
    doubts.doubt_everywhere(None)


@celery.task(name=names.LOOK_BACK)
def look_back() -> None:
    """Have the last days read again."""
    doubts.look_back()
