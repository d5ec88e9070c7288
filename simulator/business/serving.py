"""What every endpoint does: find the account, apply a fault, answer, write the log."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from simulator.business.data import Account
from simulator.business.faults import BEFORE, Fault
from simulator.eventlog import fingerprint, shortened
from simulator.runtime import RUNTIME
from simulator.twilio.errors import cut

_SECRET_HEADERS: Final = frozenset({"authorization", "x-api-key"})
_NAME: Final = {"X-Simulator": "recado"}


class Problem(Exception):
    """A request that the API refuses: {"error": {"code", "message"}}."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Call:
    """A request of a known account. `body` is JSON, None without a body."""

    account: Account
    request: web.Request
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    """Of the answer."""


Work = Callable[[Call], tuple[int, Any]]
"""Carries the request out; returns the status and the JSON. Raises Problem."""


def endpoint(work: Work) -> Callable[[web.Request], Any]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await _Exchange(request, work).answer()

    return handle


class _Exchange:
    def __init__(self, request: web.Request, work: Work) -> None:
        self._request, self._work = request, work
        self._state = request.app[RUNTIME].business
        self._key = _given_key(request)
        self._body: Any = None
        self._fault: Fault | None = None
        self._done = False

    async def answer(self) -> web.StreamResponse:
        try:
            response = await self._answer()
        except Problem as problem:
            body = {"error": {"code": problem.code, "message": problem.message}}
            response = _json(problem.status, body, {})
        self._log(response.status)
        return await self._disturbed(response)

    async def _answer(self) -> web.Response:
        account = self._state.accounts.get(self._key)
        if account is None:
            raise Problem(401, "unauthorized", "Send your API key as a Bearer token or X-API-Key.")
        request = self._request
        self._body = await _read(request)
        self._fault = self._state.fault_for(self._key, request.method, request.path)
        if self._fault is not None and self._fault.fault in BEFORE:
            return _instead(self._fault)
        call = Call(account, request, self._body)
        status, body = self._work(call)
        self._done = True
        return _json(status, body, call.headers)

    def _log(self, status: int) -> None:
        """`http_status` is the answer without a fault that only disturbs it."""
        request = self._request
        self._state.log.add(
            "business",
            key=fingerprint(self._key) if self._key else None,
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={
                name.lower(): value
                for name, value in request.headers.items()
                if name.lower() not in _SECRET_HEADERS
            },
            body=shortened(self._body),
            http_status=status,
            done=self._done,
            fault=self._fault.fault if self._fault else None,
        )

    async def _disturbed(self, response: web.Response) -> web.StreamResponse:
        fault = self._fault
        if fault is None:
            return response
        if fault.fault in ("slow", "hang", "hang_after"):
            await asyncio.sleep(fault.seconds)
        if fault.fault in ("hang", "hang_after", "cut", "cut_after"):
            return cut(self._request)
        if fault.fault == "fail_after":
            return _server_error()
        if fault.fault == "malformed" and isinstance(response.body, bytes):
            response.body = response.body[: len(response.body) // 2]
        if fault.fault == "huge":
            return _json(response.status, {"filler": "x" * int(fault.bytes)}, {})
        return response


def _given_key(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else request.headers.get("X-API-Key", "")


async def _read(request: web.Request) -> Any:
    raw = await request.read()
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        raise Problem(400, "invalid_json", "The body is not JSON.") from None


def _instead(fault: Fault) -> web.Response:
    """Return the answer of a request that is not carried out."""
    if fault.fault == "redirect":
        return web.Response(status=302, headers={**_NAME, "Location": fault.location})
    if fault.fault == "throttle":
        body = {"error": {"code": "too_many_requests", "message": "Slow down."}}
        return _json(429, body, {"Retry-After": str(fault.retry_after)})
    return _server_error()


def _server_error() -> web.Response:
    return _json(500, {"error": {"code": "internal_error", "message": "Something failed."}}, {})


def _json(status: int, body: Any, headers: dict[str, str]) -> web.Response:
    data = json.dumps(body, ensure_ascii=False).encode()
    return web.Response(
        body=data, status=status, content_type="application/json", headers={**_NAME, **headers}
    )
