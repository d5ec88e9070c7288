"""Background work on what providers told us."""

import time
from uuid import UUID

from app import config
from app.common import singleton
from app.extensions import celery
from app.tasks import names
from app.tasks.ring import answered, send, unneeded
from app.webhook import apply, repair

GATHER_SECONDS = 0.05
"""After something came: receipts come one upon the other, and one look takes all of these."""

SLICE_SECONDS = 10.0
"""Then the worker looks after other tenants first."""


@celery.task(name=names.APPLY_INBOX)
def apply_inbox(tenant_id: str) -> None:
    """Apply what waits in the inbox of one tenant; rings itself when its time slice ends first.

    One worker does it, and INBOX_LANES do in a crowd: more would only take the time that the web
    service needs to answer the next webhook, unless the database is far away.
    """
    lanes = range(config.current().inbox_lanes)
    lane = next((each for each in lanes if singleton.acquire(_name(tenant_id, each))), None)
    if lane is None:
        return
    try:
        if lane > 0:
            _help(tenant_id)
            return
        _lead(tenant_id)
    finally:
        singleton.release(_name(tenant_id, lane))
    # What came after the last look did not ring: look once more.
    answered(names.APPLY_INBOX, tenant_id)
    if apply.apply_due(UUID(tenant_id)):
        send(names.APPLY_INBOX, tenant_id)


def _lead(tenant_id: str) -> None:
    until = time.monotonic() + SLICE_SECONDS
    while (taken := apply.apply_due(UUID(tenant_id))) and time.monotonic() < until:
        singleton.renew(_name(tenant_id, 0))
        if taken < apply.BATCH:
            unneeded(names.APPLY_INBOX, tenant_id)
            time.sleep(GATHER_SECONDS)
        else:
            send(names.APPLY_INBOX, tenant_id)


def _help(tenant_id: str) -> None:
    """A crowd: one more joins in for each full batch, and all of these leave when it is over."""
    if apply.apply_due(UUID(tenant_id)) == apply.BATCH:
        send(names.APPLY_INBOX, tenant_id)


def _name(tenant_id: str, lane: int) -> str:
    return f"inbox:{tenant_id}:{lane}"


@celery.task(name=names.REPAIR_CHANNEL)
def repair_channel(tenant_id: str, channel_id: str) -> None:
    """Compare one channel with its provider's list, if it is due."""
    repair.repair_channel(UUID(tenant_id), UUID(channel_id))


@celery.task(name=names.REPAIR_SOON)
def repair_soon() -> None:
    """After a silence of ours: have every channel's list read for what we may have missed."""
    repair.doubt_everywhere(None)


@celery.task(name=names.LOOK_BACK)
def look_back() -> None:
    """Have the last days read again."""
    repair.look_back()
