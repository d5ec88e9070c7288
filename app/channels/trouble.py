"""Pausing a channel whose provider accepts no messages from it.

Its credentials are refused, it is throttled, or the provider cannot be reached. Its messages wait
and keep their attempts. When the pause ends, one message is tried. The pauses grow while that
fails, and end when it succeeds or when somebody changes the channel.
"""

import json
import random
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app.channels import repository
from app.channels.providers.base import Json, ProviderError
from app.events import service as events
from app.events.catalogue import EventType
from app.models import Channel

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 300.0


def pause(
    session: Session, channel_id: UUID, error: ProviderError, at_least_seconds: float
) -> None:
    """Pause this channel for 1, 2, 4 … 300 s (± 20 %); does nothing while it is paused."""
    given = {
        "error": json.dumps(error.to_json()),
        "asked": at_least_seconds,
        "first": FIRST_PAUSE_SECONDS,
        "longest": max(LONGEST_PAUSE_SECONDS, at_least_seconds),
        "spread": random.uniform(0.8, 1.2),  # noqa: S311 - jitter, no secret
    }
    paused = repository.pause(session, channel_id, given)
    if paused is None:
        return
    seconds = round(float(paused.seconds), 1)
    log.warning("channel_paused", channel_id=str(channel_id), code=error.code, seconds=seconds)
    if paused.times == 1:
        data = {"channel_id": str(channel_id), "error": error.to_json()}
        events.record(session, EventType.CHANNEL_PAUSED, data)


def resume(session: Session, channel_id: UUID) -> None:
    """End the trouble of a channel; does nothing when there was none."""
    if repository.resume(session, channel_id):
        log.info("channel_resumed", channel_id=str(channel_id))
        events.record(session, EventType.CHANNEL_RESUMED, {"channel_id": str(channel_id)})


def describe(channel: Channel) -> Json | None:
    """Return the channel's trouble as the API shows it; None when there is none."""
    if channel.trouble is None:
        return None
    since = datetime.fromisoformat(channel.trouble["since"])
    return {**channel.trouble, "since": since, "paused_until": channel.paused_until}
