"""The beat: each second, ring for whatever is due in all tenants; now and then, clean up.

It sees headers only (ids, states, due times), as recado_system.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import text

from app import config, db
from app.auth import service as auth
from app.common import idempotency
from app.extensions import celery
from app.health import service as health
from app.models import Priority
from app.tasks import names
from app.tasks.ring import send
from app.webhook import service as webhook

MOST_RINGS = 1000
SILENCE_SECONDS = 10.0
"""Between two ticks: longer, and webhooks may have found nobody at home."""

DUE = {
    # From channel to channel along the index, and in each from priority to priority: a campaign of
    # a million messages costs no more than one of ten.
    names.DELIVER_CHANNEL: text("""
        with recursive channel as (
            (select tenant_id, channel_id from recado.messages where status = 'queued'
             order by tenant_id, channel_id limit 1)
            union all
            select next.* from channel c cross join lateral (
                select tenant_id, channel_id from recado.messages
                where status = 'queued' and (tenant_id, channel_id) > (c.tenant_id, c.channel_id)
                order by tenant_id, channel_id limit 1
            ) as next
        )
        select tenant_id, channel_id from channel c where exists (
            select from unnest(:priorities) as p(priority) cross join lateral (
                select from recado.messages m
                where m.tenant_id = c.tenant_id and m.channel_id = c.channel_id
                    and m.status = 'queued' and m.priority = p.priority
                    and m.due_at <= now() and (m.retry_at is null or m.retry_at <= now())
                limit 1
            ) as due
        )
        limit :most
    """).bindparams(priorities=[int(each) for each in Priority]),
    names.SETTLE_CHANNEL: text("""
        select distinct tenant_id, channel_id from recado.messages
        where status in ('sending', 'uncertain') and lease_until < now() limit :most
    """),
    names.APPLY_INBOX: text("""
        with recursive tenant as (
            (select tenant_id from recado.inbox_items where state = 'received'
             order by tenant_id limit 1)
            union all
            select next.* from tenant t cross join lateral (
                select tenant_id from recado.inbox_items
                where state = 'received' and tenant_id > t.tenant_id order by tenant_id limit 1
            ) as next
        )
        select tenant_id from tenant t where exists (
            select from recado.inbox_items i
            where i.tenant_id = t.tenant_id and i.state = 'received' and i.due_at <= now()
        )
        limit :most
    """),
    # So many a second at most: nobody waits for them, and the provider counts our calls.
    names.REPAIR_CHANNEL: text("""
        select tenant_id, id from recado.channels
        where status = 'active' and repair_at <= now() order by repair_at limit least(:most, 5)
    """),
}

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
    ) as over
""")


@celery.task(name=names.RING_DUE)
def ring_due() -> None:
    """Ring for all due work: what a lost task would have done happens a second later."""
    for task, query in DUE.items():
        with db.system_session() as session:
            rows = session.execute(query, {"most": MOST_RINGS}).all()
        for row in rows:
            send(task, *row)
    # The tick counts once it asked the database, so that an absence of that is a silence as well.
    silence = health.silence()
    if silence is not None and silence > SILENCE_SECONDS:
        send(names.REPAIR_SOON)
    health.beat()


@celery.task(name=names.CLEAN_UP)
def clean_up() -> None:
    """Ring for each tenant that has something which served its time."""
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

    Expired idempotency keys, sign-ins and their tokens, and inbox items that are done.
    """
    for forget in (idempotency.forget_expired, auth.forget_expired, webhook.forget_finished):
        removed = CLEANED_AT_ONCE
        while removed >= CLEANED_AT_ONCE:
            with db.tenant_session(UUID(tenant_id)) as session:
                removed = forget(session, CLEANED_AT_ONCE)
