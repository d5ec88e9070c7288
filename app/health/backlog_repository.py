"""Queries for the work that waits in the whole installation. They run as recado_system, which sees
states and due times of all tenants, never content."""

from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

MESSAGES = text("""
    select m.status, count(*) filter (where m.is_due) as due, count(*) as all_of_them,
        coalesce(extract(epoch from now() - min(m.due_at) filter (where m.is_due)), 0) as age
    from (
        select m.status, m.due_at, m.status = 'queued' and not m.is_held and m.due_at <= now()
            and (m.retry_at is null or m.retry_at <= now())
            and c.status = 'active' and t.status = 'active'
            and (c.paused_until is null or c.paused_until <= now()) as is_due
        from recado.messages m
        join recado.channels c on c.tenant_id = m.tenant_id and c.id = m.channel_id
        join recado.tenants t on t.tenant_id = m.tenant_id
        where m.status in ('queued', 'sending', 'uncertain')
    ) as m
    group by m.status
""")
"""Messages of a channel that is disabled or in trouble are not due: no worker could send them."""

INBOX = text("""
    select count(*) filter (where state = 'received') as waiting,
        count(*) filter (where state = 'parked') as parked,
        coalesce(extract(epoch from now() - min(due_at) filter (where state = 'received')), 0)
            as age
    from recado.inbox_items where state = 'received' or state = 'parked'
""")

CHANNELS = text("""
    select coalesce(greatest(extract(epoch from now() - min(repair_at)), 0), 0) as lag,
        count(*) filter (where repair_tries >= 3) as failing,
        count(*) filter (where paused_until is not null) as paused
    from recado.channels where status = 'active'
""")


def messages(session: Session) -> dict[str, Row[Any]]:
    """Return, for each status, `due`, `all_of_them`, and the `age` (seconds) of the oldest due
    message."""
    return {row.status: row for row in session.execute(MESSAGES)}


def inbox(session: Session) -> Row[Any]:
    """Return `waiting`, `parked`, and the `age` (seconds) of the oldest due item."""
    return session.execute(INBOX).one()


def channels(session: Session) -> Row[Any]:
    """Return the `lag` (seconds) of the most overdue reading, and how many are `failing` and
    `paused`."""
    return session.execute(CHANNELS).one()
