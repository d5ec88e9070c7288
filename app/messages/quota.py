"""A tenant's own limit of messages a day, counted in its time zone."""

from datetime import UTC, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from app.common import clock
from app.messages import repository
from app.messages.errors import QuotaReached


def check(session: Session) -> None:
    """Raises QuotaReached. With a quota set, the tenant's sends are counted one after another."""
    quota, timezone = repository.daily_quota(session)
    if quota is None:
        return
    repository.lock_tenant(session)
    floor = id_floor(start_of_day(clock.now(), timezone))
    if repository.count_outgoing_since(session, floor) >= quota:
        raise QuotaReached(details={"daily_message_quota": quota})


def start_of_day(now: datetime, timezone: str) -> datetime:
    """Midnight, in UTC, of the day that it is in `timezone`."""
    zone = ZoneInfo(timezone)
    return datetime.combine(now.astimezone(zone).date(), time.min, zone).astimezone(UTC)


def id_floor(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond (RFC 9562: 48 bits of Unix time come first)."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
