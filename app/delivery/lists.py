"""Whether a provider's list of sent messages can be read, for each channel, in Redis.

After a failure the list is not read for a while, twice as long after each further failure. All
uncertain messages of the channel wait together, so a provider in trouble gets one request instead
of one for each message. While Redis is away nothing waits, which costs readings and nothing else.
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
    """The number of `failures` in a row, and the seconds for which the list must not be read."""

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
    """Record that the list could not be read, and close it for a while."""
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
    """Record that the list was read: nothing waits for it any more."""
    try:
        redis_handle.client.delete(_failures(channel_id), _closed(channel_id))
    except RedisError as error:
        log.warning("cannot_open_list", error=type(error).__name__)


def pause_seconds(failures: int) -> float:
    """Return 15, 30, 60 … 300 s with the default SETTLE_AGAIN_SECONDS."""
    first = max(1, config.current().settle_again_seconds)
    return float(min(LONGEST_PAUSE_SECONDS, first * 2.0 ** min(failures - 1, 16)))


def _failures(channel_id: UUID) -> str:
    return f"list-failures:{channel_id}"


def _closed(channel_id: UUID) -> str:
    return f"list-closed:{channel_id}"
