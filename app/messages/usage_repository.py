"""Queries about the daily counts of tenants with a quota."""

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
    """A day of a tenant. Ids of messages ascend in time, and those of the day are `floor` or
    later."""

    tenant_id: UUID
    day: date
    floor: UUID


_SENT = (
    select(func.count())
    .select_from(Message)
    .where(
        Message.id >= bindparam("floor"),
        Message.direction == Direction.OUTGOING,
        Message.is_test.is_(False),
    )
    .scalar_subquery()
)
_IS_COUNTED = select(DailyUsage.day).where(DailyUsage.day == bindparam("day")).exists()
_ONE_MORE = insert(DailyUsage.__table__).from_select(  # type: ignore[arg-type]  # as FromClause
    ["tenant_id", "day", "sent"],
    select(
        bindparam("tenant_id", type_=Uuid()),
        bindparam("day", type_=Date()),
        # If the row is missing, the messages are counted: this is the first message of the day.
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
    """Count a message that was just written; return False when it exceeds `quota`."""
    sent = session.scalar(_COUNT, {**asdict(today), "quota": quota})
    return sent is not None and sent <= quota


def recount(session: Session, today: Day) -> None:
    """Reset today's count from the messages themselves."""
    # This waits for transactions that have counted a message and not committed yet.
    session.execute(delete(DailyUsage).where(DailyUsage.day == today.day))
    session.execute(_RECOUNT, asdict(today))


def delete_before(session: Session, day: date, most: int) -> int:
    """Remove the days before this one; return how many were removed."""
    old = select(DailyUsage.day).where(DailyUsage.day < day).limit(most)
    statement = delete(DailyUsage).where(DailyUsage.day.in_(old))
    result: Any = session.execute(statement.execution_options(synchronize_session=False))
    return int(result.rowcount)
