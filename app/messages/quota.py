"""A tenant's own limit of messages a day, counted in its time zone."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.common import clock
from app.common.ids import id_floor
from app.messages import repository
from app.messages.errors import QuotaReached


def check(session: Session, quota: int | None, timezone: str) -> None:
    """Raises QuotaReached. With a quota set, the tenant's sends are counted one after another."""
    if quota is None:
        return
    repository.lock_tenant(session)
    now = clock.now()
    floor = id_floor(start_of_day(now, timezone))
    if repository.count_outgoing_since(session, floor) >= quota:
        seconds = (start_of_day(now + timedelta(days=1), timezone) - now).total_seconds()
        raise QuotaReached(
            details={"daily_message_quota": quota},
            headers={"Retry-After": str(max(1, int(seconds)))},
        )


def start_of_day(now: datetime, timezone: str) -> datetime:
    """Midnight, in UTC, of the day that it is in `timezone`."""
    zone = ZoneInfo(timezone)
    return datetime.combine(now.astimezone(zone).date(), time.min, zone).astimezone(UTC)
