"""Background work on what providers told us."""

import time
from uuid import UUID

from app.common import singleton
from app.extensions import celery
from app.tasks import names
from app.tasks.ring import answered, send
from app.webhook import apply, repair

LANES = 2
"""How many workers apply one tenant's inbox at once: more would only wait for each other, and
take the time that the web service needs to answer the next webhook."""

GATHER_SECONDS = 0.05
"""After something came: receipts come in crowds, and one look takes all of these."""

SLICE_SECONDS = 10.0
"""Then the worker looks after other tenants first."""


@celery.task(name=names.APPLY_INBOX)
def apply_inbox(tenant_id: str) -> None:
    """Apply what waits in the inbox of one tenant; rings itself when its time slice ends first."""
    lane = _free_lane(tenant_id)
    if lane is None:
        return
    until = time.monotonic() + SLICE_SECONDS
    try:
        while (left := apply.apply_due(UUID(tenant_id))) and time.monotonic() < until:
            singleton.renew(lane)
            time.sleep(GATHER_SECONDS)
    finally:
        singleton.release(lane)
    # What came after the last look did not ring, or found no lane: look once more.
    answered(names.APPLY_INBOX, tenant_id)
    if left or apply.apply_due(UUID(tenant_id)):
        send(names.APPLY_INBOX, tenant_id)


def _free_lane(tenant_id: str) -> str | None:
    lanes = (f"inbox:{tenant_id}:{number}" for number in range(LANES))
    return next((lane for lane in lanes if singleton.acquire(lane)), None)


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
