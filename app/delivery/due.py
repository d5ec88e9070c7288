"""Queries of the scheduler about deliveries of all tenants: channels with messages to send or
settle.

They run as recado_system, which sees ids, states and due times, never content.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, text

from app import config
from app.models import Priority
from app.tasks import names
from app.tasks.due import DueWork, Ring

DELIVER = text("""
    with recursive queue as (
        (select tenant_id, channel_id, 1 as number from recado.messages
         where status = 'queued' and not is_held
            and (tenant_id, channel_id) > (:after_tenant_id, :after_channel_id)
         order by tenant_id, channel_id limit 1)
        union all
        select next.tenant_id, next.channel_id, q.number + 1 from queue q cross join lateral (
            select tenant_id, channel_id from recado.messages
            where status = 'queued' and not is_held
                and (tenant_id, channel_id) > (q.tenant_id, q.channel_id)
            order by tenant_id, channel_id limit 1
        ) as next where q.number < :most
    )
    select q.tenant_id, q.channel_id,
        can_send.ok and exists (
            select from recado.messages m
            where m.tenant_id = q.tenant_id and m.channel_id = q.channel_id
                and m.status = 'queued' and not m.is_held and m.priority = :reply
                and m.due_at <= now() and (m.retry_at is null or m.retry_at <= now())
        ) as has_replies,
        can_send.ok and exists (
            select from unnest(:others) as p(priority) cross join lateral (
                select from recado.messages m
                where m.tenant_id = q.tenant_id and m.channel_id = q.channel_id
                    and m.status = 'queued' and not m.is_held and m.priority = p.priority
                    and m.due_at <= now() and (m.retry_at is null or m.retry_at <= now())
                limit 1
            ) as due
        ) as has_others
    from queue q cross join lateral (
        select exists (
            select from recado.channels c join recado.tenants t on t.tenant_id = c.tenant_id
            where c.tenant_id = q.tenant_id and c.id = q.channel_id
                and c.status = 'active' and t.status = 'active'
                and (c.paused_until is null or c.paused_until <= now())
        ) as ok offset 0
    ) as can_send
    order by q.tenant_id, q.channel_id
""").bindparams(reply=int(Priority.REPLY), others=[int(Priority.NOTICE), int(Priority.BULK)])
"""The next `most` channels after a given one that have queued messages, and whether some are due.

The query jumps from channel to channel along the index, and in each from priority to priority, so a
campaign of a million messages costs no more than one of ten. A channel that cannot send (disabled,
paused, or of a closed tenant) has nothing due.
"""

SETTLE = text("""
    select distinct tenant_id, channel_id from recado.messages
    where status in ('sending', 'uncertain') and lease_until < now()
        and (tenant_id, channel_id) > (:after_tenant_id, :after_channel_id)
    order by tenant_id, channel_id limit :most
""")
"""The next `most` channels after a given one that have messages to settle."""

EXPIRE = text("""
    select c.tenant_id, c.id as channel_id
    from recado.channels c join recado.tenants t on t.tenant_id = c.tenant_id
    where (c.tenant_id, c.id) > (:after_tenant_id, :after_channel_id)
        and (c.status <> 'active' or t.status <> 'active' or c.paused_until is not null)
        and exists (
            select from recado.messages m
            where m.tenant_id = c.tenant_id and m.channel_id = c.id
                and m.status = 'queued' and not m.is_held
                and coalesce(m.valid_until, m.due_at + make_interval(hours => :hours)) < now()
        )
    order by c.tenant_id, c.id limit :most
""")
"""The next `most` channels after a given one that send nothing but have messages whose validity has
ended. On other channels these are noticed when they would be sent."""


def validity() -> dict[str, int]:
    return {"hours": config.current().message_validity_hours}


def deliver_rings(row: Row[Any]) -> Iterator[Ring]:
    if row.has_replies:
        yield names.DELIVER_REPLIES, row.tenant_id, row.channel_id
    if row.has_others:
        yield names.DELIVER_CHANNEL, row.tenant_id, row.channel_id


def settle_rings(row: Row[Any]) -> Iterator[Ring]:
    yield names.SETTLE_CHANNEL, row.tenant_id, row.channel_id


def expire_rings(row: Row[Any]) -> Iterator[Ring]:
    yield names.EXPIRE_CHANNEL, row.tenant_id, row.channel_id


CHANNEL = ("tenant_id", "channel_id")
DUE = (
    DueWork("deliver", DELIVER, CHANNEL, deliver_rings, most=2000),
    DueWork("settle", SETTLE, CHANNEL, settle_rings),
)
OVER = (DueWork("expire", EXPIRE, CHANNEL, expire_rings, parameters=validity),)
"""Checked with the clean-up, every ten minutes."""
