"""The tenant's daily limit of messages, counted in its own time zone.

Each day of a tenant with a quota has one row with the number of messages sent. It is initialized by
counting the day's messages, when the first of them is counted or when the quota or the time zone
changes. A message that is canceled later still counts.
"""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app import db
from app.common import clock
from app.common.ids import id_floor
from app.messages import usage_repository as usage
from app.messages.errors import QuotaReached
from app.messages.usage_repository import Day

KEPT = timedelta(days=2)
"""At midnight in UTC, no time zone is more than a day behind."""


def count(session: Session, quota: int | None, timezone: str) -> None:
    """Count a message that the transaction has written; does nothing without a quota.

    This is the last lock that a send takes, because all sends of the tenant wait for each other
    here. Raises QuotaReached; then the caller rolls back what it wrote.
    """
    if quota is None:
        return
    now = clock.now()
    if not usage.count(session, _today(session, now, timezone), quota):
        seconds = (start_of_day(now + timedelta(days=1), timezone) - now).total_seconds()
        raise QuotaReached(
            details={"daily_message_quota": quota},
            headers={"Retry-After": str(max(1, int(seconds)))},
        )


def recount_today(session: Session, timezone: str) -> None:
    """Count today's messages again, because the tenant's quota or time zone has changed."""
    usage.recount(session, _today(session, clock.now(), timezone))


def forget_old_counts(session: Session, most: int) -> int:
    """Remove up to `most` days that have ended in every time zone; return how many were removed."""
    return usage.delete_before(session, clock.now().date() - KEPT, most)


def _today(session: Session, now: datetime, timezone: str) -> Day:
    floor = id_floor(start_of_day(now, timezone))
    return Day(db.tenant_of(session), local_day(now, timezone), floor)


def local_day(now: datetime, timezone: str) -> date:
    """Return the current date in `timezone`."""
    return now.astimezone(ZoneInfo(timezone)).date()


def start_of_day(now: datetime, timezone: str) -> datetime:
    """Return the midnight, in UTC, at which the current day began in `timezone`."""
    midnight = datetime.combine(local_day(now, timezone), time.min, ZoneInfo(timezone))
    return midnight.astimezone(UTC)
