"""Delivery of webhooks: signed form posts, retried as the URL's fragment says."""

import asyncio
import time
import uuid
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urldefrag, urlencode

import aiohttp
from yarl import URL

from simulator.records import Account
from simulator.runtime import Runtime
from simulator.twilio.signing import Parameters, signature_headers

_MAX_ANSWER: Final = 64 * 1024
_TOTAL_MS: Final = 15_000
_TOO_LATE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Overrides:
    """Connection overrides of the URL fragment (`#rc=3&rp=ct,5xx`); times in milliseconds."""

    retries: int = 1
    retry_on: frozenset[str] = frozenset({"ct"})
    connect_ms: int = 5_000
    read_ms: int = 15_000
    total_ms: int = _TOTAL_MS

    @classmethod
    def parse(cls, fragment: str) -> "Overrides":
        values = dict(parse_qsl(fragment))
        return cls(
            retries=_number(values.get("rc"), 1, 0, 5),
            retry_on=frozenset(values.get("rp", "ct").split(",")),
            connect_ms=_number(values.get("ct"), 5_000, 100, 10_000),
            read_ms=_number(values.get("rt"), 15_000, 100, 15_000),
            total_ms=_number(values.get("tt"), _TOTAL_MS, 100, _TOTAL_MS),
        )

    def allows(self, failure: str) -> bool:
        return failure in self.retry_on or "all" in self.retry_on


def _number(text: str | None, default: int, low: int, high: int) -> int:
    if text is None or not text.isdigit():
        return default
    return min(max(int(text), low), high)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook to deliver: `purpose` is status, inbound, fallback, redirect or action."""

    account: Account
    url: str
    parameters: Parameters
    purpose: str
    sid: str
    status: str


@dataclass(frozen=True, slots=True)
class Post:
    """A delivery ready to send; every attempt sends the same."""

    url: str
    headers: dict[str, str]
    body: bytes
    overrides: Overrides


@dataclass(slots=True)
class Answer:
    """The webhook's answer; `failure` is None, ct, rt, reset, 4xx or 5xx. Without an answer,
    `status` is None."""

    status: int | None = None
    content_type: str = ""
    text: str = ""
    failure: str | None = None
    error: str = ""


class Webhooks:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._slots = asyncio.Semaphore(runtime.settings.webhook_concurrency)

    async def deliver(self, delivery: Delivery) -> Answer:
        """Send, retry as the fragment says, and log every attempt; return the last answer."""
        url, fragment = urldefrag(delivery.url)
        overrides = Overrides.parse(fragment)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "User-Agent": "TwilioProxy/1.1",
            "Accept": "*/*",
            "I-Twilio-Idempotency-Token": str(uuid.uuid4()),
            **signature_headers(delivery.account, url, delivery.parameters),
        }
        post = Post(url, headers, urlencode(delivery.parameters).encode(), overrides)
        async with self._slots:
            deadline = time.monotonic() + overrides.total_ms / 1000
            for attempt in range(1, overrides.retries + 2):
                answer = await self._attempt(delivery, post, deadline, attempt)
                again = answer.failure is not None and overrides.allows(answer.failure)
                if not again or deadline - time.monotonic() < _TOO_LATE:
                    return answer
        return answer

    async def _attempt(
        self, delivery: Delivery, post: Post, deadline: float, attempt: int
    ) -> Answer:
        started = time.monotonic()
        answer = await self._post(post, deadline - started)
        entry: dict[str, Any] = {
            "purpose": delivery.purpose,
            "sid": delivery.sid,
            "status": delivery.status,
            "url": post.url,
            "attempt": attempt,
            "http_status": answer.status,
            "failure": answer.failure,
            "latency_ms": round((time.monotonic() - started) * 1000, 1),
        }
        if answer.error:
            entry["error"] = answer.error
        if delivery.purpose != "status":
            entry["params"] = dict(delivery.parameters)
        self._runtime.log.add("webhook", **entry)
        return answer

    async def _post(self, post: Post, left: float) -> Answer:
        timeout = aiohttp.ClientTimeout(
            total=max(left, 0.05),
            sock_connect=post.overrides.connect_ms / 1000,
            sock_read=post.overrides.read_ms / 1000,
        )
        # The signature covers the exact text of the URL, so it must not be quoted again.
        target = URL(post.url, encoded=post.url.isascii())
        try:
            async with self._runtime.session.post(
                target,
                data=post.body,
                headers=post.headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                raw = await response.content.read(_MAX_ANSWER)
                return _answer(response, raw)
        except aiohttp.ConnectionTimeoutError as error:
            return Answer(failure="ct", error=_sentence(error))
        except aiohttp.ClientConnectorError as error:
            return Answer(failure="ct", error=_sentence(error))
        except TimeoutError as error:
            return Answer(failure="rt", error=_sentence(error) or "timeout")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(failure="reset", error=_sentence(error))


def _sentence(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _answer(response: aiohttp.ClientResponse, raw: bytes) -> Answer:
    failure = None
    if response.status >= 300:
        failure = "5xx" if response.status >= 500 else "4xx"
    text = raw.decode("utf-8", "replace")
    return Answer(response.status, response.content_type, text, failure)
