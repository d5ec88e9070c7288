"""The process's clock. Leases and due times use the database's clock instead."""

from datetime import UTC, datetime

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9999, 1, 1, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def within_reach(moment: datetime) -> datetime:
    """The moment in UTC; one before EARLIEST or after LATEST becomes that.

    A moment that a caller gives may be so near to the end of what a date can hold that a change of
    its zone, or a day less, would raise OverflowError.
    """
    return min(max(moment, EARLIEST), LATEST).astimezone(UTC)


def isoformat(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with a trailing Z, or None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
