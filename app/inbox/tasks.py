"""Background tasks of the inbox."""

import time
from functools import partial
from uuid import UUID

from app import config
from app.extensions import celery
from app.inbox import apply, read_requests, repair
from app.inbox.reading import Outcome
from app.tasks import names
from app.tasks.drain import drain
from app.tasks.ring import ring_once, unneeded

GATHER_SECONDS = 0.05
"""How long to wait after a batch. Receipts arrive close together, and one query then takes all of
them."""

SLICE_SECONDS = 10.0
"""After this time the worker serves other tenants first."""


@celery.task(name=names.APPLY_INBOX)
def apply_inbox(tenant_id: str) -> None:
    """Apply the waiting items of one tenant's inbox.

    One worker does it; while whole batches wait, INBOX_LANES workers do. Unless the database is far
    away, more workers would only take CPU that the web service needs to answer the next webhook.
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
    """Apply items alongside `apply_inbox` while whole batches wait; each lane has one worker."""
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
            read_requests.wait_in_line(tenant, channel)
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
    """After an outage of ours, have every channel's list read for messages that we may have
    missed."""
    read_requests.request_everywhere(None)


@celery.task(name=names.LOOK_BACK)
def look_back() -> None:
    """Request that the last days are read again."""
    read_requests.look_back()
