"""Whether a provider's list of sent messages can be read, channel by channel, in Redis.

A list that could not be read is left alone for a while, twice as long after each failure. All
doubts of the channel wait together, so a provider in trouble is asked once, not once for each
message. While Redis is away nobody waits: that costs readings, and nothing else.
"""

from dataclasses import dataclass
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from app import config
from app.extensions import redis_handle

log = structlog.get_logger(__name__)

LONGEST_PAUSE_SECONDS = 300.0


@dataclass(frozen=True)
class ListState:
    """`failures` in a row; the list is not read for another `closed_for` seconds."""

    failures: int = 0
    closed_for: float = 0.0


def state(channel_id: UUID) -> ListState:
    pipeline = redis_handle.client.pipeline(transaction=False)
    pipeline.get(_failures(channel_id))
    pipeline.pttl(_closed(channel_id))
    try:
        failures, left_ms = pipeline.execute()
    except RedisError:
        return ListState()
    return ListState(int(failures or 0), max(0, left_ms) / 1000)


def failed(channel_id: UUID) -> None:
    """The list could not be read: leave it alone for a while."""
    try:
        failures = int(str(redis_handle.client.incr(_failures(channel_id))))
        pause_ms = round(1000 * pause_seconds(failures))
        pipeline = redis_handle.client.pipeline(transaction=False)
        pipeline.pexpire(_failures(channel_id), 2 * pause_ms)
        pipeline.set(_closed(channel_id), 1, px=pause_ms)
        pipeline.execute()
    except RedisError as error:
        log.warning("cannot_pause_list", error=type(error).__name__)
        return
    log.warning("list_unreadable", channel_id=str(channel_id), failures=failures)


def worked(channel_id: UUID) -> None:
    """The list was read: nobody waits for it any more."""
    try:
        redis_handle.client.delete(_failures(channel_id), _closed(channel_id))
    except RedisError as error:
        log.warning("cannot_open_list", error=type(error).__name__)


def pause_seconds(failures: int) -> float:
    """15, 30, 60 … 300 s with the usual SETTLE_AGAIN_SECONDS."""
    first = max(1, config.current().settle_again_seconds)
    return float(min(LONGEST_PAUSE_SECONDS, first * 2.0 ** min(failures - 1, 16)))


def _failures(channel_id: UUID) -> str:
    return f"list-failures:{channel_id}"


def _closed(channel_id: UUID) -> str:
    return f"list-closed:{channel_id}"
