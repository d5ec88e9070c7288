"""Removing what is older than it is kept, a little at a time."""

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
    """Tables whose rows serve their time, and what removes those that did.

    `is_old`: for each table the condition in SQL that a row served its time. It goes along an index
    that begins with the tenant, and may see no more than recado_system does. A parameter that is
    null (kept for ever) makes it false. `forget` removes from one tenant up to so many rows, and
    answers how many went.
    """

    is_old: Mapping[str, str]
    forget: Callable[[Session, int], int]
    parameters: Callable[[], Mapping[str, Any]] = dict


def delete_some(
    session: Session, model: type[TenantScoped], *is_old: ColumnElement[bool], most: int
) -> int:
    """Remove up to `most` rows of this tenant of which `is_old` is true; answers how many went.

    What another transaction holds at this moment is left for the next time.
    """
    # The tenant as a value: the planner learns that of the policy only after its choice.
    own = model.tenant_id == db.tenant_of(session)
    chosen = select(model.id).where(own, *is_old).limit(most).with_for_update(skip_locked=True)
    # A WITH is run once. A subquery may be run again for each row, and choose others each time.
    statement = delete(model).where(own, model.id.in_(select(chosen.cte("chosen").c.id)))
    result: Any = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)


def month_floor(days: int) -> UUID | None:
    """The smallest id of the month in which the time began that rows are kept; None: for ever.

    Tables in months lose a whole month at once, so their rows are kept up to a month longer.
    """
    if not days:
        return None
    oldest = (clock.now() - timedelta(days=days)).astimezone(UTC)
    return id_floor(oldest.replace(day=1, hour=0, minute=0, second=0, microsecond=0))
