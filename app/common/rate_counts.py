"""The counters of the rate limits, in Redis."""

import time
from typing import Any, ClassVar

from flask import g, has_request_context
from limits.storage import RedisStorage

SCHEME = "counts+"
"""The prefix that selects these counters, as in `counts+redis://host:6379/0`."""

COUNT = """
local count = redis.call("incrby", KEYS[1], ARGV[2])
if count == tonumber(ARGV[2]) then
    redis.call("expire", KEYS[1], ARGV[1])
end
return {count, redis.call("ttl", KEYS[1])}
"""


class RateCounts(RedisStorage):
    """Counters that return their value and the end of their window with the call that counts.

    The headers of each response need both. The library would ask Redis for each of them again:
    three calls for a request instead of one.
    """

    STORAGE_SCHEME: ClassVar[list[str]] = [  # type: ignore[misc]  # the library does not say ClassVar
        SCHEME + each for each in ("redis", "rediss", "redis+unix", "unix")
    ]

    def __init__(self, uri: str, **options: Any) -> None:
        super().__init__(uri.removeprefix(SCHEME), **options)
        self._count = self.get_connection().register_script(COUNT.encode())

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        count, seconds = self._count([self.prefixed_key(key)], [expiry, amount])
        if has_request_context():
            g.setdefault("rate_counts", {})[key] = count, time.time() + max(seconds, 0)
        return int(count)

    def get(self, key: str) -> int:
        count, _ = self._counted(key)
        return super().get(key) if count is None else count

    def get_expiry(self, key: str) -> float:
        _, end = self._counted(key)
        return super().get_expiry(key) if end is None else end

    def _counted(self, key: str) -> tuple[int, float] | tuple[None, None]:
        """Return the value and the end (seconds since 1970) of a counter of this request, if it has
        one."""
        if not has_request_context():
            return None, None
        found: tuple[int, float] | tuple[None, None]
        found = g.get("rate_counts", {}).get(key, (None, None))
        return found
