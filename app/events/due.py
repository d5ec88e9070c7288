"""Retention of events. Most are removed with their monthly partition (app/tasks/clean_up.py)."""

from typing import Any

from app import config
from app.common.retention import Expiring, month_floor
from app.events import service


def _floor() -> dict[str, Any]:
    return {"events_since": month_floor(config.current().event_retention_days)}


EXPIRING = Expiring({"events": "id < :events_since"}, service.forget_old, _floor)
