"""Background tasks of delivery. They take ids only, and may be lost, repeated or late."""

from functools import cache, partial
from typing import Any
from uuid import UUID

from celery.signals import worker_shutdown

from app import config
from app.delivery import expiry, settle
from app.delivery.claims import Queue
from app.delivery.engine import Engine
from app.extensions import celery
from app.models import Priority
from app.tasks import names
from app.tasks.drain import drain

SLICE_SECONDS = 10.0
ENDING_SECONDS = 10.0
"""Time to record the last answers, in addition to the longest call."""


@cache
def replies_engine() -> Engine:
    return Engine(names.DELIVER_REPLIES)


@cache
def engine() -> Engine:
    return Engine(names.DELIVER_CHANNEL)


@worker_shutdown.connect
def stop_engines(**_: Any) -> None:
    """Let a worker that has to end finish the calls that it has begun."""
    seconds = config.current().provider_timeout_seconds + ENDING_SECONDS
    for make in (replies_engine, engine):
        if make.cache_info().currsize:
            make().stop(seconds)


@celery.task(name=names.DELIVER_REPLIES)
def deliver_replies(tenant_id: str, channel_id: str) -> None:
    """Send the replies that are due on one channel."""
    replies_engine().wake(Queue(UUID(tenant_id), UUID(channel_id), Priority.REPLY))


@celery.task(name=names.DELIVER_CHANNEL)
def deliver_channel(tenant_id: str, channel_id: str) -> None:
    """Send whatever is due on one channel."""
    engine().wake(Queue(UUID(tenant_id), UUID(channel_id)))


@celery.task(name=names.EXPIRE_CHANNEL)
def expire_channel(tenant_id: str, channel_id: str) -> None:
    """Fail messages of a channel that sends nothing once their validity has ended."""
    drain(
        names.EXPIRE_CHANNEL,
        tenant_id,
        channel_id,
        step=partial(expiry.expire_some, UUID(tenant_id), UUID(channel_id)),
        is_due=lambda: False,
        slice_seconds=SLICE_SECONDS,
    )


@celery.task(name=names.SETTLE_CHANNEL)
def settle_channel(tenant_id: str, channel_id: str) -> None:
    """Settle the due claims and uncertain messages of one channel."""
    tenant, channel = UUID(tenant_id), UUID(channel_id)
    drain(
        names.SETTLE_CHANNEL,
        tenant_id,
        channel_id,
        step=partial(settle.settle_some, tenant, channel),
        is_due=partial(settle.has_due, tenant, channel),
        slice_seconds=settle.SLICE_SECONDS,
    )
