"""The counters of the rate limits: in Redis, and in this process's memory while Redis is away."""

import time
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import structlog
from flask import g, has_request_context
from limits.storage import MemoryStorage, RedisStorage
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

SCHEME = "counts+"
"""The prefix that selects these counters, as in `counts+redis://host:6379/0`."""

AWAY_SECONDS = 2.0
"""For so long Redis is not asked after it failed, so that not every request waits for it."""

COUNT = """
local count = redis.call("incrby", KEYS[1], ARGV[2])
if count == tonumber(ARGV[2]) then
    redis.call("expire", KEYS[1], ARGV[1])
end
return {count, redis.call("ttl", KEYS[1])}
"""

T = TypeVar("T")


class RateCounts(RedisStorage):
    """Counters that return their value and the end of their window with the call that counts.

    The headers of each response need both. The library would ask Redis for each of them again:
    three calls for a request instead of one. While Redis does not answer, each process counts by
    itself, so that a limit is never open: the library lets the requests pass that notice it.
    """

    STORAGE_SCHEME: ClassVar[list[str]] = [  # type: ignore[misc]  # the library does not say ClassVar
        SCHEME + each for each in ("redis", "rediss", "redis+unix", "unix")
    ]

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri.removeprefix(SCHEME), **options)
        self._count = self.get_connection().register_script(COUNT.encode())
        self._own = MemoryStorage()
        self._away_until = 0.0

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count, and return the value."""
        count, end = self._ask(
            lambda: self._incr_in_redis(key, expiry, amount),
            lambda: (self._own.incr(key, expiry, amount), self._own.get_expiry(key)),
        )
        if has_request_context():
            g.setdefault("rate_counts", {})[key] = count, end
        return count

    def get(self, key: str) -> int:
        count, _ = self._counted(key)
        if count is not None:
            return count
        return self._ask(lambda: super(RateCounts, self).get(key), lambda: self._own.get(key))

    def get_expiry(self, key: str) -> float:
        _, end = self._counted(key)
        if end is not None:
            return end
        return self._ask(
            lambda: super(RateCounts, self).get_expiry(key), lambda: self._own.get_expiry(key)
        )

    def clear(self, key: str) -> None:
        self._own.clear(key)
        self._ask(lambda: super(RateCounts, self).clear(key), lambda: None)

    def _incr_in_redis(self, key: str, expiry: int, amount: int) -> tuple[int, float]:
        count, seconds = self._count([self.prefixed_key(key)], [expiry, amount])
        return int(count), time.time() + max(seconds, 0)

    def _ask(self, redis: Callable[[], T], own: Callable[[], T]) -> T:
        if time.monotonic() >= self._away_until:
            try:
                return redis()
            except RedisError as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                log.warning("limits_without_redis", error=type(error).__name__)
        return own()

    def _counted(self, key: str) -> tuple[int, float] | tuple[None, None]:
        """Return the value and the end (seconds since 1970) of a counter of this request, if it has
        one."""
        if not has_request_context():
            return None, None
        found: tuple[int, float] | tuple[None, None]
        found = g.get("rate_counts", {}).get(key, (None, None))
        return found
