"""Leases in Redis: one holder for each name, for as long as the holder's process lives.

A lease only avoids duplicate work. Work that runs under a lease is correct without it, so while
Redis is away everybody gets one. A thread renews all leases of this process; the leases of a
process that was killed or frozen end after HELD_SECONDS.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis.exceptions import RedisError

from app.common.ids import new_secret
from app.extensions import redis_handle

log = structlog.get_logger(__name__)

HELD_SECONDS = 5
RENEW_EVERY_SECONDS = 1.0

RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('EXPIRE', KEYS[1], ARGV[2]) end"
RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end"


@dataclass(frozen=True)
class Lease:
    """A name that this process holds under `token`; the token is `None` when Redis was away."""

    name: str
    token: str | None


@dataclass
class _Keeper:
    """The leases of this process, and the thread that renews them."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    held: dict[str, Lease] = field(default_factory=dict)
    thread: threading.Thread | None = None


_keeper = _Keeper()


def take(name: str) -> Lease | None:
    """Return a lease that lasts until `give_back`, or None while somebody else holds `name`."""
    token = new_secret(12)
    try:
        got = redis_handle.client.set(key_of(name), token, nx=True, ex=HELD_SECONDS)
    except RedisError:
        return Lease(name, None)
    if not got:
        return None
    lease = Lease(name, token)
    with _keeper.lock:
        _keeper.held[name] = lease
        if _keeper.thread is None or not _keeper.thread.is_alive():
            _keeper.thread = threading.Thread(target=_renew_for_ever, name="leases", daemon=True)
            _keeper.thread.start()
    return lease


def give_back(lease: Lease) -> None:
    """Release the lease, unless somebody else holds the name by now."""
    if lease.token is None:
        return
    with _keeper.lock:
        if _keeper.held.get(lease.name) == lease:
            del _keeper.held[lease.name]
    try:
        redis_handle.client.eval(RELEASE, 1, key_of(lease.name), lease.token)
    except RedisError:
        # The lease ends by itself after HELD_SECONDS.
        return


@contextmanager
def hold(name: str) -> Iterator[bool]:
    """Hold `name` during the block. Yields False while somebody else holds it."""
    lease = take(name)
    try:
        yield lease is not None
    finally:
        if lease is not None:
            give_back(lease)


def held(names: Sequence[str]) -> set[str]:
    """Return those of these names that somebody holds."""
    if not names:
        return set()
    try:
        values: Any = redis_handle.client.mget([key_of(name) for name in names])
    except RedisError:
        return set()
    return {name for name, value in zip(names, values, strict=True) if value is not None}


def key_of(name: str) -> str:
    """Return the key in Redis, which exists while somebody holds the name."""
    return f"lease:{name}"


def renew() -> None:
    """Renew all leases of this process with one round trip."""
    with _keeper.lock:
        held = list(_keeper.held.values())
    if not held:
        return
    pipeline = redis_handle.client.pipeline(transaction=False)
    for lease in held:
        pipeline.eval(RENEW, 1, key_of(lease.name), str(lease.token), str(HELD_SECONDS))
    try:
        pipeline.execute()
    except RedisError as error:
        log.warning("cannot_renew_leases", error=type(error).__name__)


def _renew_for_ever() -> None:
    pause = threading.Event()
    while True:
        pause.wait(RENEW_EVERY_SECONDS)
        try:
            renew()
        except Exception:
            # If this thread ended, every lease of the process would end in the middle of its work.
            log.exception("cannot_renew_leases")
