"""Queries about how many messages a tenant with a quota sent on a day."""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Date, Uuid, bindparam, case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.models import DailyUsage, Direction, Message


@dataclass(frozen=True)
class Day:
    """A day of a tenant. Ids of messages ascend in time: those of the day are `floor` or later."""

    tenant_id: UUID
    day: date
    floor: UUID


_SENT = (
    select(func.count())
    .select_from(Message)
    .where(Message.id >= bindparam("floor"), Message.direction == Direction.OUTGOING)
    .scalar_subquery()
)
_IS_COUNTED = select(DailyUsage.day).where(DailyUsage.day == bindparam("day")).exists()
_ONE_MORE = insert(DailyUsage.__table__).from_select(  # type: ignore[arg-type]  # as FromClause
    ["tenant_id", "day", "sent"],
    select(
        bindparam("tenant_id", type_=Uuid()),
        bindparam("day", type_=Date()),
        # The messages are counted where the row is missing, for the first one of a day.
        case((_IS_COUNTED, 1), else_=_SENT),
    ),
)
_COUNT = _ONE_MORE.on_conflict_do_update(
    index_elements=["tenant_id", "day"],
    set_={"sent": DailyUsage.sent + 1},
    where=DailyUsage.sent < bindparam("quota"),
).returning(DailyUsage.sent)
_RECOUNT = _ONE_MORE.on_conflict_do_nothing()


def count(session: Session, today: Day, quota: int) -> bool:
    """Count a message that was just written; False when that would be more than `quota`."""
    sent = session.scalar(_COUNT, {**asdict(today), "quota": quota})
    return sent is not None and sent <= quota


def recount(session: Session, today: Day) -> None:
    """Forget what was counted today, and count the messages."""
    # This waits for transactions that have counted one and not committed it yet.
    session.execute(delete(DailyUsage).where(DailyUsage.day == today.day))
    session.execute(_RECOUNT, asdict(today))


def delete_before(session: Session, day: date, most: int) -> int:
    """Answers how many days went."""
    old = select(DailyUsage.day).where(DailyUsage.day < day).limit(most)
    statement = delete(DailyUsage).where(DailyUsage.day.in_(old))
    result: Any = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)
