"""The beat: each second, ring for whatever is due in all tenants; now and then, clean up.

It sees headers only (ids, states, due times), as recado_system.
"""

from datetime import timedelta
from uuid import UUID

from redis.exceptions import RedisError
from sqlalchemy import text

from app import config, db
from app.auth import service as auth
from app.common import idempotency
from app.delivery import due as delivery
from app.extensions import celery, redis_handle
from app.health import service as health
from app.messages import service as messages
from app.tasks import names
from app.tasks.due import ring_all
from app.tasks.ring import send
from app.webhook import due as webhook_due
from app.webhook import service as webhook

TICK_MS = 500
CLEAN_UP_MS = 300_000
SILENCE_SECONDS = 10.0
"""Between two ticks: longer, and webhooks may have found nobody at home."""

DUE = (*delivery.DUE, *webhook_due.DUE)
"""Every kind of due work."""

CLEANED_AT_ONCE = 500
LOOKED_AT = 10_000

OVER = text("""
    select distinct tenant_id from (
        (select tenant_id from recado.idempotency_keys
         where expires_at < now() order by expires_at limit :looked_at)
        union all
        (select tenant_id from recado.user_sessions
         where expires_at < now() - :sign_ins_kept order by expires_at limit :looked_at)
        union all
        (select tenant_id from recado.refresh_tokens
         where expires_at < now() - :sign_ins_kept order by expires_at limit :looked_at)
        union all
        (select tenant_id from recado.inbox_items
         where state in ('applied', 'ignored') and finished_at < now() - :inbox_kept
         order by finished_at limit :looked_at)
        union all
        (select tenant_id from recado.daily_usage
         where day < (now() at time zone 'UTC')::date - 2 order by day limit :looked_at)
    ) as over
""")


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


@celery.task(name=names.CLEAN_UP)
def clean_up() -> None:
    """Ring for each tenant that has something which served its time."""
    if not is_first_within("clean-up", CLEAN_UP_MS):
        return
    ring_all(delivery.OVER)
    given = {
        "looked_at": LOOKED_AT,
        "sign_ins_kept": auth.EXPIRED_SESSIONS_KEPT,
        "inbox_kept": timedelta(days=config.current().inbox_retention_days),
    }
    with db.system_session() as session:
        tenant_ids = session.scalars(OVER, given).all()
    for tenant_id in tenant_ids:
        send(names.CLEAN_TENANT, tenant_id)


@celery.task(name=names.CLEAN_TENANT)
def clean_tenant(tenant_id: str) -> None:
    """Remove from one tenant what served its time, a little in each transaction.

    Expired idempotency keys, sign-ins and their tokens, inbox items that are done, and the counts
    of days that are over.
    """
    for forget in (
        idempotency.forget_expired,
        auth.forget_expired,
        webhook.forget_finished,
        messages.forget_old_counts,
    ):
        removed = CLEANED_AT_ONCE
        while removed >= CLEANED_AT_ONCE:
            with db.tenant_session(UUID(tenant_id)) as session:
                removed = forget(session, CLEANED_AT_ONCE)
