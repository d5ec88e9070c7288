"""Refusals in the vendor's form: {"error": {"message", "type", "param", "code"}}."""

import json
import secrets
from typing import Any, Final

from aiohttp import web

from simulator.twilio.errors import Handler

PREFIX: Final = "/openai/v1"

#: On every answer, so that nobody takes it for the vendor's.
_NAME: Final = {"X-Simulator": "recado", "openai-organization": "simulator"}


class ApiError(Exception):
    """A request that the vendor answers with an error."""

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.param, self.kind = param, kind
        self.headers: dict[str, str] = {}

    def response(self) -> web.Response:
        body = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return json_response({"error": body}, self.status, self.headers)


def bad_request(message: str, code: str | None, param: str | None) -> ApiError:
    return ApiError(400, message, code, param)


def missing(param: str) -> ApiError:
    return bad_request(
        f"Missing required parameter: '{param}'.", "missing_required_parameter", param
    )


def unknown(param: str) -> ApiError:
    return bad_request(f"Unknown parameter: '{param}'.", "unknown_parameter", param)


def unsupported(param: str) -> ApiError:
    message = f"Unsupported parameter: '{param}' is not supported with this model."
    return bad_request(message, "unsupported_parameter", param)


def wrong_type(param: str, expected: str, value: Any) -> ApiError:
    message = f"Invalid type for '{param}': expected {expected}, but got {_kind(value)} instead."
    return bad_request(message, "invalid_type", param)


def wrong_value(param: str, value: Any, allowed: tuple[str, ...]) -> ApiError:
    message = f"Invalid value: '{value}'. Supported values are: {listed(allowed)}."
    return bad_request(message, "invalid_value", param)


def listed(names: tuple[str, ...]) -> str:
    quoted = [f"'{name}'" for name in names]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + f", and {quoted[-1]}"


def _kind(value: Any) -> str:
    kinds = {
        type(None): "null", bool: "a boolean", int: "an integer", float: "a decimal",
        str: "a string", list: "an array", dict: "an object",
    }  # fmt: skip
    return kinds.get(type(value), "something else")


def json_response(
    body: object, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    data = json.dumps(body, ensure_ascii=False).encode()
    return web.Response(
        body=data, status=status, content_type="application/json", headers=headers or {}
    )


@web.middleware
async def openai_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals and unknown paths below the prefix into the vendor's JSON."""
    if not request.path.startswith(PREFIX):
        return await handler(request)
    response: web.StreamResponse
    try:
        response = await handler(request)
    except ApiError as error:
        response = error.response()
    except web.HTTPNotFound:
        response = ApiError(404, f"Invalid URL ({request.method} {request.path})").response()
    except web.HTTPMethodNotAllowed as error:
        sentence = f"Not allowed to {request.method} on {request.path}."
        response = ApiError(405, sentence, "method_not_supported").response()
        response.headers["Allow"] = ",".join(sorted(error.allowed_methods))
    response.headers.update({**_NAME, "x-request-id": f"req_{secrets.token_hex(16)}"})
    return response
