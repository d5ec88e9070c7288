"""Background work on messages; ids only, and harmless when lost, repeated or late."""

from functools import partial
from uuid import UUID

from app.delivery import deliver, settle
from app.extensions import celery
from app.tasks import names
from app.tasks.drain import drain


@celery.task(name=names.DELIVER_CHANNEL)
def deliver_channel(tenant_id: str, channel_id: str) -> None:
    """Send what is due on one channel."""
    tenant, channel = UUID(tenant_id), UUID(channel_id)
    drain(
        names.DELIVER_CHANNEL,
        tenant_id,
        channel_id,
        step=partial(deliver.drain_channel, tenant, channel),
        is_due=partial(deliver.has_due, tenant, channel),
        slice_seconds=deliver.SLICE_SECONDS,
    )


@celery.task(name=names.DELIVER_REPLIES)
def deliver_replies(tenant_id: str, channel_id: str) -> None:
    """Send the replies that are due on one channel."""
    deliver_channel(tenant_id, channel_id)


@celery.task(name=names.SETTLE_CHANNEL)
def settle_channel(tenant_id: str, channel_id: str) -> None:
    """Look after claims and doubts of one channel whose time is up."""
    settle.settle_channel(UUID(tenant_id), UUID(channel_id))
