from datetime import UTC, datetime, timedelta

import pytest

from app.conversations.window import Window, expires_at, window_of
from app.models import Conversation

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def hours_ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


@pytest.mark.parametrize(
    ("heard", "shut", "expected"),
    [
        (None, None, Window.UNKNOWN),
        (hours_ago(1), None, Window.OPEN),
        (hours_ago(23.99), None, Window.OPEN),
        (hours_ago(24), None, Window.CLOSED),
        (None, hours_ago(1), Window.CLOSED),
        (hours_ago(2), hours_ago(1), Window.CLOSED),
        (hours_ago(1), hours_ago(2), Window.OPEN),
    ],
)
def test_the_window_follows_the_evidence(
    heard: datetime | None, shut: datetime | None, expected: Window
) -> None:
    conversation = Conversation(last_inbound_at=heard, window_closed_at=shut)
    assert window_of(conversation, NOW) is expected


def test_the_window_expires_a_day_after_the_customer_wrote() -> None:
    assert expires_at(Conversation(last_inbound_at=hours_ago(2))) == NOW + timedelta(hours=22)
    assert expires_at(Conversation()) is None
