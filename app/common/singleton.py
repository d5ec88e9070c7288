"""A courtesy lock in Redis: spares two workers the same work, promises nothing.

Whatever runs under it is correct without it, so a Redis that is away lets everybody in.
"""

import contextlib
import threading
import uuid

from redis.exceptions import RedisError

from app.extensions import redis_handle

HELD_SECONDS = 5
"""Renewed while the work goes on; so long nobody takes over from a holder that was killed."""

_held = threading.local()

RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('EXPIRE', KEYS[1], ARGV[2]) end"
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


def acquire(name: str) -> bool:
    """Whether the caller may go on; False while somebody else holds `name`."""
    token = uuid.uuid4().hex
    try:
        got = redis_handle.client.set(f"lock:{name}", token, nx=True, ex=HELD_SECONDS)
    except RedisError:
        return True
    if got:
        _tokens()[name] = token
    return bool(got)


def renew(name: str) -> None:
    """Go on holding `name`, if it is still ours."""
    token = _tokens().get(name)
    if token is not None:
        with contextlib.suppress(RedisError):
            redis_handle.client.eval(RENEW, 1, f"lock:{name}", token, HELD_SECONDS)


def release(name: str) -> None:
    token = _tokens().pop(name, None)
    if token is None:
        return
    try:
        redis_handle.client.eval(RELEASE, 1, f"lock:{name}", token)
    except RedisError:
        # It ends by itself after HELD_SECONDS.
        return


def _tokens() -> dict[str, str]:
    if not hasattr(_held, "tokens"):
        _held.tokens = {}
    tokens: dict[str, str] = _held.tokens
    return tokens
