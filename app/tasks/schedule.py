"""The beat: each second, ring for whatever is due in all tenants; now and then, clean up.

It sees headers only (ids, states, due times), as recado_system.
"""

from sqlalchemy import text

from app import db
from app.extensions import celery
from app.health import service as health
from app.tasks import names
from app.tasks.ring import send

MOST_RINGS = 1000

DUE = {
    names.DELIVER_CHANNEL: text("""
        select distinct tenant_id, channel_id from recado.messages
        where status = 'queued' and due_at <= now() and (retry_at is null or retry_at <= now())
        limit :most
    """),
    names.SETTLE_CHANNEL: text("""
        select distinct tenant_id, channel_id from recado.messages
        where status in ('sending', 'uncertain') and lease_until < now() limit :most
    """),
    names.APPLY_INBOX: text("""
        select distinct tenant_id from recado.inbox_items
        where state = 'received' and due_at <= now() limit :most
    """),
}


@celery.task(name=names.RING_DUE)
def ring_due() -> None:
    """Ring for all due work: what a lost task would have done happens a second later."""
    health.beat()
    for task, query in DUE.items():
        with db.system_session() as session:
            rows = session.execute(query, {"most": MOST_RINGS}).all()
        for row in rows:
            send(task, *row)


@celery.task(name=names.CLEAN_UP)
def clean_up() -> None:
    """Remove what has served its time in each tenant."""
