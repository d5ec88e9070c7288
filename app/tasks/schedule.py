"""The scheduler: each second, enqueue tasks for whatever is due in all tenants.

It runs as recado_system and sees headers only (ids, states, due times).
"""

from redis.exceptions import RedisError

from app.bots import due as bots
from app.delivery import due as delivery
from app.extensions import celery, redis_handle
from app.health import service as health
from app.inbox import due as inbox
from app.knowledge import due as knowledge
from app.tasks import names
from app.tasks.due import ring_all
from app.tasks.ring import send

TICK_MS = 500
SILENCE_SECONDS = 10.0
"""A longer pause between two ticks means that webhooks may have been missed."""

DUE = (*delivery.DUE, *inbox.DUE, *bots.DUE, *knowledge.DUE)
"""Every kind of due work."""


def is_first_within(job: str, milliseconds: int) -> bool:
    """Return whether nobody else began this job within this time.

    Ticks that waited in a queue arrive all at once, and one is enough. Redis' clock decides,
    because that of a worker may be wrong.
    """
    try:
        return bool(redis_handle.client.set(f"tick:{job}", 1, nx=True, px=milliseconds))
    except RedisError:
        return True


@celery.task(name=names.RING_DUE)
def ring_due() -> None:
    """Enqueue tasks for all due work, so that a lost task runs a second later."""
    if not is_first_within("ring-due", TICK_MS):
        return
    ring_all(DUE)
    # The tick counts once it has queried the database, so that a database that was away counts as a
    # silence too.
    silence = health.silence()
    if silence is not None and silence > SILENCE_SECONDS:
        send(names.REPAIR_SOON)
    health.beat()
