"""Retention of messages: finished ones are removed when they are old, and so are old daily
counts."""

from typing import Any

from app.common.retention import Expiring
from app.messages import quota, retention
from app.messages.status import FINISHED


def _kept() -> dict[str, Any]:
    return {"finished": sorted(FINISHED), "messages_since": retention.kept_since()}


EXPIRING = (
    Expiring(
        {"messages": "status = any(:finished) and greatest(created_at, due_at) < :messages_since"},
        retention.forget_old,
        _kept,
    ),
    Expiring(
        {"daily_usage": "day < (now() at time zone 'UTC')::date - 2"}, quota.forget_old_counts
    ),
)
