"""The beat: each second, ring for whatever is due in all tenants.

It sees headers only (ids, states, due times), as recado_system.
"""

from redis.exceptions import RedisError

from app.delivery import due as delivery
from app.extensions import celery, redis_handle
from app.health import service as health
from app.inbox import due as inbox
from app.tasks import names
from app.tasks.due import ring_all
from app.tasks.ring import send

TICK_MS = 500
SILENCE_SECONDS = 10.0
"""Between two ticks: longer, and webhooks may have found nobody at home."""

DUE = (*delivery.DUE, *inbox.DUE)
"""Every kind of due work."""


def is_first_within(job: str, milliseconds: int) -> bool:
    """Whether nobody else began this job so recently.

    Ticks that waited in a queue come all at once, and one of them is enough. Redis' clock decides:
    that of a worker may be wrong.
    """
    try:
        return bool(redis_handle.client.set(f"tick:{job}", 1, nx=True, px=milliseconds))
    except RedisError:
        return True


@celery.task(name=names.RING_DUE)
def ring_due() -> None:
    """Ring for all due work: what a lost task would have done happens a second later."""
    if not is_first_within("ring-due", TICK_MS):
        return
    ring_all(DUE)
    # The tick counts once it asked the database, so that an absence of that is a silence as well.
    silence = health.silence()
    if silence is not None and silence > SILENCE_SECONDS:
        send(names.REPAIR_SOON)
    health.beat()
