"""The scheduler's query about documents of all tenants that are to be read.

It runs as recado_system, which sees ids, states and times, never content.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row, text

from app.tasks import names
from app.tasks.due import DueWork, Ring

UNREAD = text("""
    with recursive tenant as (
        (select tenant_id, 1 as number from recado.knowledge_documents
         where state = 'processing' and tenant_id > :after_tenant_id
         order by tenant_id limit 1)
        union all
        select next.tenant_id, t.number + 1 from tenant t cross join lateral (
            select tenant_id from recado.knowledge_documents
            where state = 'processing' and tenant_id > t.tenant_id
            order by tenant_id limit 1
        ) as next where t.number < :most
    )
    select t.tenant_id, due.id from tenant t left join lateral (
        select id from recado.knowledge_documents d
        where d.tenant_id = t.tenant_id and d.state = 'processing'
            and (d.lease_until is null or d.lease_until <= now())
            and not exists (
                select from recado.knowledge_documents r
                where r.tenant_id = t.tenant_id and r.state = 'processing'
                    and r.lease_until > now()
            )
        order by id limit 1
    ) as due on true
    order by t.tenant_id limit :most
""")
"""The next `most` tenants after a given one with documents to read, and the oldest document of
each, unless a worker reads one of that tenant."""

AT_ONCE = 50


def _rings(row: Row[Any]) -> Iterator[Ring]:
    if row.id is not None:
        yield names.READ_DOCUMENT, row.tenant_id, row.id


DUE = (DueWork("documents", UNREAD, ("tenant_id",), _rings, most=AT_ONCE),)
