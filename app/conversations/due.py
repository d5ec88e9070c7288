"""The clean-up's query about conversations of all tenants.

It runs as recado_system, which sees ids, owners and times, never content.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, text

from app import config
from app.tasks import names
from app.tasks.due import DueWork, Ring

IDLE = text("""
    select distinct tenant_id from recado.conversations
    where owner = 'human' and last_message_at < now() - :idle and owner_since < now() - :idle
        and tenant_id > :after_tenant_id
    order by tenant_id limit :most
""")
"""The next `most` tenants after a given one with conversations that people have left idle."""


def _parameters() -> dict[str, Any]:
    return {"idle": timedelta(hours=config.current().human_idle_hours)}


def _rings(row: Row[Any]) -> Iterator[Ring]:
    yield names.RETURN_IDLE, row.tenant_id


OVER = (DueWork("idle", IDLE, ("tenant_id",), _rings, parameters=_parameters),)
