"""The scheduler's queries about bots of all tenants: turns that are due or whose worker died, and
documents that wait for embeddings.

It runs as recado_system, which sees ids, states and times, never content.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text

from app import config
from app.ai.catalogue import catalogue
from app.bots import spend_repository as spend
from app.bots import turns_repository as repository
from app.bots.turns import MOST_RUNNING
from app.common.retention import Expiring
from app.tasks import names
from app.tasks.due import DueWork, Ring

DUE_TURNS = text("""
    with recursive tenant as (
        (select tenant_id, 1 as number from recado.turns
         where state in ('armed', 'running') and tenant_id > :after_tenant_id
         order by tenant_id limit 1)
        union all
        select next.tenant_id, t.number + 1 from tenant t cross join lateral (
            select tenant_id from recado.turns
            where state in ('armed', 'running') and tenant_id > t.tenant_id
            order by tenant_id limit 1
        ) as next where t.number < :most
    )
    select t.tenant_id, due.conversation_id from tenant t left join lateral (
        (select conversation_id from recado.turns a
         where a.tenant_id = t.tenant_id and a.state = 'armed' and a.due_at <= now()
         order by a.due_at
         limit greatest(0, :most_running - (
            select count(*) from recado.turns r
            where r.tenant_id = t.tenant_id and r.state = 'running' and r.lease_until > now()
         )))
        union all
        (select conversation_id from recado.turns d
         where d.tenant_id = t.tenant_id and d.state = 'running' and d.lease_until <= now()
         limit :most_running)
    ) as due on true
    order by t.tenant_id limit :most
""")
"""The next `most` tenants after a given one with open turns, and of each as many due turns as it
may run at once."""


def _parameters() -> dict[str, Any]:
    return {"most_running": MOST_RUNNING}


def _rings(row: Row[Any]) -> Iterator[Ring]:
    if row.conversation_id is not None:
        yield names.RUN_TURN, row.tenant_id, row.conversation_id


UNEMBEDDED = text("""
    select tenant_id from recado.bots
    where searches_by_meaning and embedded_by is distinct from :model
        and (embed_at is null or embed_at <= now()) and tenant_id > :after_tenant_id
    group by tenant_id order by tenant_id limit :most
""")
"""The next `most` tenants after a given one with bots whose documents wait for embeddings by a
model. Few bots search by meaning, and an index lists them."""


def _model() -> dict[str, Any]:
    return {"model": catalogue().embedding.key}


def _rings_of_bots(row: Row[Any]) -> Iterator[Ring]:
    yield names.EMBED_DOCUMENTS, row.tenant_id


DUE = (
    DueWork("turns", DUE_TURNS, ("tenant_id",), _rings, parameters=_parameters),
    DueWork("embeddings", UNEMBEDDED, ("tenant_id",), _rings_of_bots, most=50, parameters=_model),
)


def _kept() -> dict[str, Any]:
    return {"turns_kept": timedelta(days=config.current().turn_retention_days)}


SPEND_KEPT_DAYS = 62
"""Last month's counters stay to be looked at; nothing counts on them any more."""

EXPIRING_SPEND = Expiring(
    {"bot_spend": "starts_on < (now() at time zone 'UTC')::date - 62"},
    lambda session, most: spend.forget_old(session, SPEND_KEPT_DAYS, most),
)

EXPIRING = Expiring(
    {"turns": "finished_at < now() - :turns_kept"},
    lambda session, most: repository.forget_old(session, _kept()["turns_kept"], most),
    _kept,
)
