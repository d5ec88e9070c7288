"""Removal of expired rows, in small steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from app import db
from app.common import clock
from app.common.ids import id_floor
from app.models import TenantScoped


@dataclass(frozen=True)
class Expiring:
    """Tables whose rows expire, and the function that removes expired rows.

    `is_old` holds, for each table, the SQL condition that a row has expired. It must use an index
    that begins with the tenant, and may read only what recado_system sees. A parameter that is null
    (kept forever) makes it false. `forget` removes up to a number of rows of one tenant and returns
    how many were removed.
    """

    is_old: Mapping[str, str]
    forget: Callable[[Session, int], int]
    parameters: Callable[[], Mapping[str, Any]] = dict


def delete_some(
    session: Session, model: type[TenantScoped], *is_old: ColumnElement[bool], most: int
) -> int:
    """Remove up to `most` rows of this tenant that match `is_old`; return how many were removed.

    Rows that another transaction has locked are left for the next run.
    """
    # The tenant as a value: the planner takes the tenant of the row-level policy into account only
    # after it has chosen an index.
    own = model.tenant_id == db.tenant_of(session)
    chosen = select(model.id).where(own, *is_old).limit(most).with_for_update(skip_locked=True)
    # A WITH runs once. A subquery may run again for each row, and choose other rows each time.
    statement = delete(model).where(own, model.id.in_(select(chosen.cte("chosen").c.id)))
    result: Any = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)


def month_floor(days: int) -> UUID | None:
    """Return the smallest id of the oldest month that is kept, or None when rows are kept forever.

    Tables with monthly partitions lose a whole month at once, so their rows are kept up to a month
    longer.
    """
    if not days:
        return None
    oldest = (clock.now() - timedelta(days=days)).astimezone(UTC)
    return id_floor(oldest.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
