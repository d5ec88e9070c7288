"""Background work on messages; ids only, and harmless when lost, repeated or late."""

from uuid import UUID

from app.common import singleton
from app.extensions import celery
from app.messages import deliver, settle
from app.tasks import names
from app.tasks.ring import answered, send


@celery.task(name=names.DELIVER_CHANNEL)
def deliver_channel(tenant_id: str, channel_id: str) -> None:
    """Drain one channel; rings itself when its time slice ended before the work did."""
    tenant, channel = UUID(tenant_id), UUID(channel_id)
    while singleton.acquire(f"drain:{channel_id}"):
        answered(names.DELIVER_CHANNEL, tenant_id, channel_id)
        try:
            has_more = deliver.drain_channel(tenant, channel)
        finally:
            singleton.release(f"drain:{channel_id}")
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
