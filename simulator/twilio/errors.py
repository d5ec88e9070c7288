"""Refusals in the vendor's form: {"code", "message", "more_info", "status"}."""

import contextlib
import json
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from simulator.outcomes import error_message

_RESET: Final = struct.pack("ii", 1, 0)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """A request that the vendor answers with an error."""

    def __init__(
        self, status: int, code: int, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}

    def response(self) -> web.Response:
        body = {
            "code": self.code,
            "message": self.message,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }
        return json_response(body, self.status, self.headers)


def bad_request(code: int, message: str) -> Refusal:
    return Refusal(400, code, message)


def not_found(request: web.Request) -> Refusal:
    return Refusal(404, 20404, f"The requested resource {request.path} was not found")


def throttled(retry_after: int | None) -> Refusal:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return Refusal(429, 20429, "Too Many Requests", headers)


def server_error() -> Refusal:
    return Refusal(500, 20500, "An internal server error has occurred")


def forbidden() -> Refusal:
    """Return what a suspended account gets, or a key without the permission."""
    return Refusal(403, 20003, "Permission Denied")


def cut(request: web.Request) -> web.Response:
    """Cut the connection with a TCP reset, as a dying proxy does."""
    transport = request.transport
    if transport is not None:
        raw = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return web.Response(status=500)


def scripted(code: int, status: int) -> Refusal:
    return Refusal(status, code, _CREATE_MESSAGES.get(code) or error_message(code))


_CREATE_MESSAGES = {
    21211: "Invalid 'To' Phone Number",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
}


def json_response(
    body: object, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    return web.Response(
        body=json.dumps(body, ensure_ascii=False).encode(),
        status=status,
        headers={
            "Content-Type": "application/json;charset=utf-8",
            "Twilio-Request-Id": "RQ" + secrets.token_hex(16),
            **(headers or {}),
        },
    )


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals and unknown paths into the vendor's JSON."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal.response()
    except web.HTTPNotFound:
        return not_found(request).response()
    except web.HTTPMethodNotAllowed as error:
        message = f"The requested resource {request.path} does not allow {request.method}"
        allow = ",".join(sorted(error.allowed_methods))
        return Refusal(405, 20004, message, {"Allow": allow}).response()
