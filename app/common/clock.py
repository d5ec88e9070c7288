"""The process's clock. Leases and due times use the database's clock instead."""

from datetime import UTC, datetime

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def within_reach(moment: datetime) -> datetime:
    """Return the moment in UTC, clamped to EARLIEST and LATEST.

    Near the limits of `datetime`, a change of the time zone or the subtraction of a day would raise
    OverflowError.
    """
    return min(max(moment, EARLIEST), LATEST).astimezone(UTC)


def in_utc(moment: datetime) -> str:
    """Return the moment in RFC 3339, in UTC with a trailing Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def isoformat(moment: datetime | None) -> str | None:
    """Return the moment as `in_utc` does; None for None."""
    return None if moment is None else in_utc(moment)
