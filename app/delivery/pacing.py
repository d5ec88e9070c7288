"""The pace of a channel and of each pair of sender and person, in Redis, with a local fallback.

A channel sends at most `rate` messages in any second: each gets a slot, 1/rate after the one
before, and unused slots are not saved for a burst. A pair gets one message per 6 seconds, with a
burst of 45 (WhatsApp's pair rate limit). A message that must wait is postponed, which costs no
attempt.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from redis.exceptions import RedisError
from sqlalchemy import Row

from app.extensions import redis_handle

log = structlog.get_logger(__name__)

HORIZON_MS = 500
SLOW_HORIZON_MS = 100
SLOW_INTERVAL_MS = 250
"""How far ahead slots are given: the longest that a claimed message waits."""

PAIR_INTERVAL_MS = 6000
PAIR_BURST = 45
MARGIN = 1.02
"""Slots are 2 % further apart than 1/rate, so that jitter lifts no second above the rate."""

CATCH_UP_SECONDS = 0.01
"""How much of a delay is made up for; otherwise the many small delays of a busy machine add up. It
is half of what the margin leaves in each second."""

CLOSE_ENOUGH_SECONDS = 0.0005
SLOW_DOWN_SECONDS = 30
SAME_REFUSAL_MS = 1000
SLOWEST = 1024
"""The most that a channel is slowed down, as a factor."""

SCRIPT = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local slow = redis.call('GET', KEYS[2])
local interval = tonumber(ARGV[1])
if slow then interval = math.max(interval, math.min(interval * tonumber(slow), 1000)) end
local horizon, pair_interval, burst = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local next_slot = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local out = {}
for i = 3, #KEYS do
  local pair = math.max(tonumber(redis.call('GET', KEYS[i]) or now), now)
  local wait = pair - now - pair_interval * (burst - 1)
  if wait > 0 then
    out[#out + 1] = 'w' .. tostring(wait)
  elseif next_slot - now > horizon then
    out[#out + 1] = 'n'
  else
    out[#out + 1] = 'd' .. tostring(next_slot - now)
    next_slot = next_slot + interval
    pair = pair + pair_interval
    redis.call('SET', KEYS[i], string.format('%.3f', pair), 'PX', math.ceil(pair - now))
  end
end
redis.call('SET', KEYS[1], string.format('%.3f', next_slot), 'PX', 60000)
out[#out + 1] = tostring(next_slot - now - horizon)
return out
"""


@dataclass(frozen=True)
class Plan:
    """What the pace allows: seconds until each message is sent, and seconds that the others must
    wait.

    `next_slot`: seconds until another message can get a slot. `is_short`: some messages are in
    neither.
    """

    delays: Mapping[UUID, float]
    waits: Mapping[UUID, float]
    next_slot: float = 0.0
    is_short: bool = False


class LocalPace:
    """The same rule in this process's memory, used while Redis is away."""

    def __init__(self) -> None:
        self._next_slot: dict[UUID, float] = {}
        self._pairs: dict[UUID, float] = {}
        self._lock = threading.Lock()

    def verdicts(self, channel_id: UUID, interval_ms: float, pairs: Sequence[UUID]) -> list[str]:
        """Return what the script returns: `d<ms>` send after, `w<ms>` wait for the pair, `n` no
        slot yet.

        The last element is the number of ms until the next free slot.
        """
        now = time.monotonic() * 1000
        horizon_ms = horizon(interval_ms)
        with self._lock:
            self._forget(now)
            found = []
            slot = max(self._next_slot.get(channel_id, now), now)
            for pair in pairs:
                busy_until = max(self._pairs.get(pair, now), now)
                wait = busy_until - now - PAIR_INTERVAL_MS * (PAIR_BURST - 1)
                if wait > 0:
                    found.append(f"w{wait}")
                elif slot - now > horizon_ms:
                    found.append("n")
                else:
                    found.append(f"d{slot - now}")
                    slot += interval_ms
                    self._pairs[pair] = busy_until + PAIR_INTERVAL_MS
            self._next_slot[channel_id] = slot
            return [*found, str(slot - now - horizon_ms)]

    def _forget(self, now: float) -> None:
        """Forget idle pairs and channels."""
        if len(self._pairs) + len(self._next_slot) > 10_000:
            self._pairs = {pair: at for pair, at in self._pairs.items() if at > now}
            self._next_slot = {each: at for each, at in self._next_slot.items() if at > now}


local_pace = LocalPace()


class Gate:
    """Lets the messages of one channel pass one at a time, at the right distance.

    The slots of the plan are exact, but a busy machine may delay some calls, which would then run
    together.
    """

    def __init__(self) -> None:
        self._next = 0.0

    def pass_at(self, interval: float) -> float:
        """Return 0 when the next message may be sent now, otherwise when to ask again (monotonic
        time)."""
        now = time.monotonic()
        if self._next - now > CLOSE_ENOUGH_SECONDS:
            return self._next
        self._next = max(self._next, now - CATCH_UP_SECONDS) + interval
        return 0.0


def interval_seconds(rate: int) -> float:
    return MARGIN / rate


def horizon(interval_ms: float) -> float:
    """Return how far ahead (ms) slots are given. A slow channel needs no stock of claimed
    messages."""
    return HORIZON_MS if interval_ms < SLOW_INTERVAL_MS else SLOW_HORIZON_MS


def plan(channel_id: UUID, rate: int, due: Sequence[Row[Any]]) -> Plan:
    """Plan when each of these due rows (id, conversation_id) may be sent on this channel."""
    interval_ms = 1000 * interval_seconds(rate)
    pairs = [row.conversation_id for row in due]
    delays: dict[UUID, float] = {}
    waits: dict[UUID, float] = {}
    *verdicts, next_slot = _verdicts(channel_id, interval_ms, pairs)
    for row, verdict in zip(due, verdicts, strict=True):
        kind, seconds = verdict[:1], float(verdict[1:] or 0) / 1000
        if kind == "d":
            delays[row.id] = seconds
        elif kind == "w":
            waits[row.id] = seconds
    is_short = len(delays) + len(waits) < len(due)
    return Plan(delays, waits, max(0.0, float(next_slot) / 1000), is_short=is_short)


def _verdicts(channel_id: UUID, interval_ms: float, pairs: Sequence[UUID]) -> list[str]:
    keys = [f"pace:{channel_id}", f"slow:{channel_id}", *(f"pair:{pair}" for pair in pairs)]
    limits = [interval_ms, horizon(interval_ms), PAIR_INTERVAL_MS, PAIR_BURST]
    try:
        return redis_handle.client.eval(SCRIPT, len(keys), *keys, *limits)  # type: ignore[return-value]
    except RedisError as error:
        log.warning("pace_is_local", error=type(error).__name__)
        return local_pace.verdicts(channel_id, interval_ms, pairs)


def slow_down(channel_id: UUID) -> None:
    """Halve the channel's pace for a while after a 429, and halve it again after further ones.

    Calls already in progress get a 429 too, so this counts at most once a second. The pace never
    falls below one message a second.
    """
    key = f"slow:{channel_id}"
    try:
        if not redis_handle.client.set(f"slowed:{channel_id}", 1, nx=True, px=SAME_REFUSAL_MS):
            return
        present = redis_handle.client.get(key)
        slower = min(SLOWEST, 2 * int(str(present)) if present else 2)
        redis_handle.client.set(key, slower, ex=SLOW_DOWN_SECONDS)
    except RedisError as error:
        log.warning("cannot_slow_down", error=type(error).__name__)
