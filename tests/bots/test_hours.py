"""Business hours: when a business is open, and since when it is closed."""

from datetime import UTC, datetime

import pytest

from app.bots.definition import BusinessHours, Span
from app.bots.hours import closed_since

LIMA = BusinessHours(
    "America/Lima",
    (
        *(Span(day, "09:00", "13:00") for day in range(5)),
        *(Span(day, "14:00", "18:00") for day in range(5)),
        Span(5, "09:00", "12:00"),
    ),
)
"""UTC-5 all year. 2026-11-23 is a Monday."""


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "now",
    ["2026-11-23T14:00", "2026-11-23T17:59", "2026-11-23T19:00", "2026-11-28T16:59"],
)
def test_open(now: str) -> None:
    assert closed_since(LIMA, utc(now)) is None


@pytest.mark.parametrize(
    ("now", "since"),
    [
        ("2026-11-23T18:00", "2026-11-23T18:00"),  # lunch begins
        ("2026-11-23T18:30", "2026-11-23T18:00"),
        ("2026-11-23T23:00", "2026-11-23T23:00"),  # the evening
        ("2026-11-24T13:59", "2026-11-23T23:00"),  # the next morning
        ("2026-11-30T13:00", "2026-11-28T17:00"),  # Monday, since Saturday noon
        ("2026-11-23T02:00", "2026-11-21T17:00"),  # Sunday there, Monday in UTC
    ],
)
def test_closed_since_the_last_span_ended(now: str, since: str) -> None:
    assert closed_since(LIMA, utc(now)) == utc(since)


def test_a_business_with_one_span_in_the_week_closed_a_week_ago_at_most() -> None:
    weekly = BusinessHours("UTC", (Span(0, "09:00", "10:00"),))
    assert closed_since(weekly, utc("2026-11-30T08:59")) == utc("2026-11-23T10:00")


def test_a_night_is_two_spans() -> None:
    bar = BusinessHours("UTC", (Span(4, "20:00", "24:00"), Span(5, "00:00", "03:00")))
    assert closed_since(bar, utc("2026-11-27T23:59")) is None
    assert closed_since(bar, utc("2026-11-28T00:00")) is None
    assert closed_since(bar, utc("2026-11-28T03:00")) == utc("2026-11-28T03:00")


def test_midnight_ends_a_day() -> None:
    late = BusinessHours("UTC", (Span(4, "20:00", "24:00"),))
    assert closed_since(late, utc("2026-11-28T00:10")) == utc("2026-11-28T00:00")


@pytest.mark.parametrize(
    ("now", "since"),
    [
        # Madrid's clock goes back on 2026-10-25 at 3:00, and forward on 2026-03-29 at 2:00.
        ("2026-10-25T08:00", "2026-10-24T16:00"),
        ("2026-10-25T18:00", "2026-10-25T17:00"),
        ("2026-03-29T17:00", "2026-03-29T16:00"),
    ],
)
def test_a_changed_clock(now: str, since: str) -> None:
    madrid = BusinessHours("Europe/Madrid", tuple(Span(day, "10:00", "18:00") for day in range(7)))
    assert closed_since(madrid, utc(now)) == utc(since)


def test_a_business_without_a_span_is_always_closed() -> None:
    assert closed_since(BusinessHours("UTC", ()), utc("2026-11-23T12:00")) is not None
