"""The breaker between a tenant's bots and a model: after failures, bots do not ask for a while.

It opens after FAILURES passing failures in a row within WINDOW, for PAUSE; and at the first failure
of the configuration (the key is refused, its account is empty, the model is gone), for
CONFIGURATION_PAUSE. While it is open, turns end at once instead of making their customers and their
threads wait. After the pause one call is let through as a probe: if it succeeds, the breaker
closes; if it fails, the pause is doubled, up to a limit.

There is one for each tenant, server, key and model, in Redis: another tenant notices nothing, and a
new key is tried at once. While Redis is away, all are closed.
"""

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from redis.exceptions import RedisError

from app import config
from app.ai.errors import AiError, BadQuestion, Canceled, Misconfigured, Transient
from app.ai.types import Endpoint
from app.common.egress import Call
from app.extensions import redis_handle

log = structlog.get_logger(__name__)

FAILURES = 5
"""In a row. One turn asks twice when the first call fails, so these are three turns."""

WINDOW = timedelta(seconds=60)
PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=5)
CONFIGURATION_PAUSE = timedelta(minutes=5)
LONGEST_CONFIGURATION_PAUSE = timedelta(minutes=10)
PROBE = timedelta(seconds=60)
"""If a probe has not ended by then, its worker died, and another one is made. A call is shorter."""

KEPT = timedelta(days=1)
"""Then a failure that lasts is told again."""

ENOUGH_SECONDS = 10.0
"""A call that had less time says nothing about the server when its time is over."""

PAUSED = "paused"
"""The code of the error of a call that was not made."""


class Kind(StrEnum):
    TRANSIENT = "transient"
    CONFIGURATION = "configuration"


ENTER = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local found = redis.call('HMGET', KEYS[1], 'until', 'probe', 'kind', 'failures')
if not found[1] then return found[4] and 'failing' or 'closed' end
if now < tonumber(found[1]) or (found[2] and now < tonumber(found[2])) then return found[3] end
redis.call('HSET', KEYS[1], 'probe', now + ARGV[1])
return 'failing'
"""
"""Returns 'closed', 'failing' (a call may be made, and its success matters), or the kind of the
failure for which it is open."""

FAIL = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local kind, most, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local pause, longest = tonumber(ARGV[4]), tonumber(ARGV[5])
local found = redis.call('HMGET', KEYS[1], 'until', 'kind', 'failures', 'first', 'pause', 'told')
local until_, failures, first = found[1], tonumber(found[3] or 0) + 1, tonumber(found[4] or now)
if until_ and now < tonumber(until_) and (kind == found[2] or kind == 'transient') then
    return ''
end
if not until_ and now - first > window then failures, first = 1, now end
redis.call('HSET', KEYS[1], 'failures', failures, 'first', first)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
if not until_ and kind == 'transient' and failures < most then return '' end
if until_ and kind == found[2] then pause = math.min(tonumber(found[5]) * 2, longest) end
redis.call('HSET', KEYS[1], 'until', now + pause, 'pause', pause, 'kind', kind)
redis.call('HDEL', KEYS[1], 'probe')
if kind == 'transient' or found[6] then return 'opened' end
redis.call('HSET', KEYS[1], 'told', 1)
return 'tell'
"""
"""Counts a failure. Returns 'opened' when it opened the breaker, 'tell' if the tenant is also to be
told. A call that began before it opened changes nothing."""


def milliseconds(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)


@dataclass
class Passage:
    """One call of a model through the breaker."""

    key: str
    is_failing: bool = False
    had_time: bool = field(default=True)

    def succeeded(self) -> None:
        """Note that the server answered."""
        if self.is_failing:
            _forget(self.key)

    def failed(self, error: AiError) -> bool:
        """Note that the call failed; return whether the tenant is to be told of it."""
        match error:
            case Canceled():
                return False
            case BadQuestion():
                self.succeeded()
                return False
            case Transient(code="unreachable") if not self.had_time:
                return False
        kind = Kind.CONFIGURATION if isinstance(error, Misconfigured) else Kind.TRANSIENT
        result = _fail(self.key, kind)
        if result:
            log.warning("model_paused", kind=kind)
        return result == "tell"


def enter(tenant_id: UUID, endpoint: Endpoint, model: str, call: Call) -> Passage:
    """Return the passage for a call of this model.

    Raises Transient or Misconfigured if no call may be made now.
    """
    key = key_of(tenant_id, endpoint, model)
    try:
        state: Any = redis_handle.client.eval(ENTER, 1, key, str(milliseconds(PROBE)))
    except RedisError as error:
        log.warning("breaker_is_closed", error=type(error).__name__)
        state = "closed"
    if state == Kind.CONFIGURATION:
        raise Misconfigured(PAUSED)
    if state == Kind.TRANSIENT:
        # Whoever retries after a few seconds must not wait for this one.
        raise Transient(PAUSED, retry_after=PAUSE.total_seconds())
    longest = min(ENOUGH_SECONDS, 0.9 * config.current().model_timeout_seconds)
    return Passage(key, state == "failing", call.seconds_left() >= longest)


def close(tenant_id: UUID, endpoint: Endpoint, model: str) -> None:
    """Close the breaker, because the model answered somebody who tried it."""
    _forget(key_of(tenant_id, endpoint, model))


def key_of(tenant_id: UUID, endpoint: Endpoint, model: str) -> str:
    told = "\n".join((endpoint.base_url, endpoint.api_key, model))
    return f"breaker:{tenant_id}:{hashlib.sha256(told.encode()).hexdigest()[:32]}"


def _fail(key: str, kind: Kind) -> str:
    pause, longest = (
        (CONFIGURATION_PAUSE, LONGEST_CONFIGURATION_PAUSE)
        if kind is Kind.CONFIGURATION
        else (PAUSE, LONGEST_PAUSE)
    )
    times = [str(milliseconds(each)) for each in (WINDOW, pause, longest, KEPT)]
    try:
        return str(redis_handle.client.eval(FAIL, 1, key, str(kind), str(FAILURES), *times))
    except RedisError as error:
        log.warning("breaker_is_closed", error=type(error).__name__)
        return ""


def _forget(key: str) -> None:
    try:
        redis_handle.client.delete(key)
    except RedisError as error:
        log.warning("breaker_is_closed", error=type(error).__name__)
