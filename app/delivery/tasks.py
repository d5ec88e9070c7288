"""Background work on messages; ids only, and harmless when lost, repeated or late."""

from functools import partial
from typing import Any
from uuid import UUID

from celery.signals import worker_shutting_down

from app.common import singleton
from app.delivery import deliver, settle
from app.extensions import celery
from app.tasks import names
from app.tasks.ring import answered, send


@worker_shutting_down.connect
def stop_draining(**_: Any) -> None:
    deliver.stopping.set()


@celery.task(name=names.DELIVER_CHANNEL)
def deliver_channel(tenant_id: str, channel_id: str) -> None:
    """Drain one channel; rings itself when its time slice ended before the work did."""
    tenant, channel = UUID(tenant_id), UUID(channel_id)
    name = f"drain:{channel_id}"
    while not deliver.stopping.is_set() and singleton.acquire(name):
        answered(names.DELIVER_CHANNEL, tenant_id, channel_id)
        try:
            has_more = deliver.drain_channel(tenant, channel, partial(singleton.renew, name))
        finally:
            singleton.release(name)
        answered(names.DELIVER_CHANNEL, tenant_id, channel_id)
        if has_more:
            send(names.DELIVER_CHANNEL, tenant_id, channel_id)
            return
        # What was queued between the last look and the release found the door shut, or did not
        # ring at all.
        if not deliver.has_due(tenant, channel):
            return


@celery.task(name=names.SETTLE_CHANNEL)
def settle_channel(tenant_id: str, channel_id: str) -> None:
    """Look after claims and doubts of one channel whose time is up."""
    settle.settle_channel(UUID(tenant_id), UUID(channel_id))
