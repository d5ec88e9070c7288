"""Whether a business is open. Pure rules; they know no database."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.bots.definition import BusinessHours, Span

END_OF_DAY = "24:00"
WEEK = 7


def closed_since(hours: BusinessHours, now: datetime) -> datetime | None:
    """Return when the business closed last; None while it is open.

    The hours are read from the clock in the time zone of the business, also on the days on which
    that clock is changed.
    """
    zone = ZoneInfo(hours.timezone)
    local = now.astimezone(zone)
    if any(_is_open(span, local) for span in hours.spans):
        return None
    ends = (
        _end(span, local - timedelta(days=back), zone)
        for back in range(WEEK + 1)
        for span in hours.spans
        if span.day == (local - timedelta(days=back)).weekday()
    )
    # A week ago there was an end of every span; the earliest moment stands for hours without spans.
    return max((end for end in ends if end <= now), default=datetime.min.replace(tzinfo=UTC))


def _is_open(span: Span, local: datetime) -> bool:
    return span.day == local.weekday() and span.opens <= f"{local:%H:%M}" < span.closes


def _end(span: Span, day: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which the span ends on this day, in UTC."""
    date = day.date()
    if span.closes == END_OF_DAY:
        date, closes = date + timedelta(days=1), time()
    else:
        closes = time.fromisoformat(span.closes)
    return datetime.combine(date, closes, zone).astimezone(UTC)
