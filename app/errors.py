"""AppError, and the JSON body in which every error is answered."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, current_app, g, jsonify, request
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.routing import Map

View = TypeVar("View", bound=Callable[..., Any])

log = structlog.get_logger(__name__)

UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
ID_IN_ROUTE = re.compile(r"([^<]+)|<uuid:(\w+)>")
EXAMPLE_ID = "0190f5a4-7c3e-7b1a-9f00-3c5d2e1f4a6b"
LONGEST_QUOTE = 60

RETRY_AFTER_SECONDS = 2
QUERY_CANCELED = "57014"
LOCK_NOT_AVAILABLE = "55P03"
NOT_STORABLE = ("22021", "22P05", "22003", "22008", "22009", "22007")


class AppError(Exception):
    """An expected error: an HTTP status, a stable code and a sentence that a person can act on."""

    status = 400
    code = "bad_request"
    message = "The request could not be understood."

    def __init__(
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        details: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.message = message or self.message
        self.code = code or self.code
        self.details = details or {}
        self.headers = headers or {}
        super().__init__(self.message)


class InvalidInput(AppError):
    """422: fields that do not validate, as `details.fields.<path>: [reason]`.

    The message names the first field with its first reason.
    """

    status = 422
    code = "validation_error"
    message = "Some fields are not valid; see details.fields."

    def __init__(
        self, fields: dict[str, list[str]], message: str | None = None, *, code: str | None = None
    ) -> None:
        super().__init__(message or first_reason(fields), code=code, details={"fields": fields})


def first_reason(fields: dict[str, list[str]]) -> str | None:
    """Return `to_number: Missing data for required field.`, and how many fields more are wrong."""
    for name, reasons in fields.items():
        if reasons:
            others = len(fields) - 1
            more = f" {others} more: see details.fields." if others else ""
            return f"{name}: {reasons[0]}{more}" if name != "_schema" else f"{reasons[0]}{more}"
    return None


class Unprocessable(AppError):
    status = 422
    code = "unprocessable"


class Unauthenticated(AppError):
    status = 401
    code = "unauthenticated"
    message = "Sign in first: send a valid token or API key as 'Authorization: Bearer …'."

    def __init__(self, message: str | None = None, *, code: str | None = None) -> None:
        super().__init__(message, code=code, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(AppError):
    status = 403
    code = "forbidden"
    message = "You are not allowed to do this."


class PermissionDenied(Forbidden):
    code = "permission_denied"
    message = "This needs a permission that your role or key lacks."


class WrongMode(Forbidden):
    code = "wrong_mode"
    message = (
        "Recado-Mode is live or test, and an API key has the mode that it was created with. Leave "
        "the header out, or use a key of the other mode."
    )


class NotFound(AppError):
    status = 404
    code = "not_found"
    message = "There is nothing at this address."


class Conflict(AppError):
    status = 409
    code = "conflict"
    message = "This conflicts with existing data."


class Unavailable(AppError):
    """503: something that we depend on is temporarily away."""

    status = 503
    code = "unavailable"
    message = "The service cannot answer right now. Try again in a few seconds."

    def __init__(self, message: str | None = None, *, code: str | None = None) -> None:
        super().__init__(message, code=code, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def fails_with(*errors: type[AppError]) -> Callable[[View], View]:
    """Declare the errors of a view's own, for the API's description.

    What every view of its kind may answer, such as 401 or 422, is added there.
    """

    def mark(view: View) -> View:
        view.errors = errors  # type: ignore[attr-defined]
        return view

    return mark


OTHER_HOST = (
    "This machine does not answer to that host name. In development it answers to localhost and to "
    "the host of PUBLIC_BASE_URL: set that one to the address that you use."
)

HTTP_CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
    503: "unavailable",
}

HTTP_MESSAGES = {
    400: "The request could not be understood: check that the body is valid JSON in UTF-8.",
    404: NotFound.message,
    405: "This address does not support that method; the Allow header lists those it supports.",
    413: "The body is larger than this service accepts.",
    415: "Send the body as JSON with 'Content-Type: application/json'.",
    429: "Too many requests. Wait for the seconds in Retry-After, then try again.",
}


def envelope(status: int, code: str, message: str, details: dict[str, Any]) -> Response:
    """Return the response of an error; all errors have this form."""
    g.error_code = code
    response = jsonify(
        success=False,
        error=message,
        code=code,
        details=details,
        request_id=g.get("request_id"),
    )
    response.status_code = status
    return response


def answer_app_error(error: AppError) -> Response:
    response = envelope(error.status, error.code, error.message, error.details)
    response.headers.update(error.headers)
    return response


def answer_http_exception(error: HTTPException) -> Response:
    """Answer the errors of Werkzeug, flask-smorest and webargs; keeps headers such as Allow."""
    status = error.code or 500
    data = getattr(error, "data", None) or {}
    messages = data.get("messages")
    if status == 422 and messages:
        return answer_app_error(InvalidInput(flatten_messages(messages)))
    message = HTTP_MESSAGES.get(status) or error.description or error.name
    if isinstance(error, SecurityError):
        message = OTHER_HOST
    if status == 404:
        message = wrong_id(request.path) or message
    response = envelope(status, HTTP_CODES.get(status, "http_error"), message, {})
    for name, value in error.get_headers():
        if name.lower() not in {"content-type", "content-length"}:
            response.headers[name] = value
    return response


def wrong_id(path: str) -> str | None:
    """Return which part of the path must be an id, if a route fits but for that part."""
    for shape in id_routes(current_app.url_map):
        found = shape.fullmatch(path.rstrip("/"))
        for name, text in found.groupdict().items() if found else ():
            if not UUID_TEXT.fullmatch(text):
                return f"{name} must be a UUID such as {EXAMPLE_ID}, not {text[:LONGEST_QUOTE]!r}."
    return None


@lru_cache(maxsize=1)
def id_routes(url_map: Map) -> list[re.Pattern[str]]:
    """Return the routes that have ids in them, with any text in the place of an id."""
    return [
        re.compile(
            "".join(
                f"(?P<{part[1]}>[^/]+)" if part[1] else re.escape(part[0])
                for part in ID_IN_ROUTE.findall(rule.rule.rstrip("/"))
            )
        )
        for rule in url_map.iter_rules()
        if "<uuid:" in rule.rule and rule.rule.count("<") == rule.rule.count("<uuid:")
    ]


def flatten_messages(messages: Any) -> dict[str, list[str]]:
    """Convert webargs' `{"json": {"a": {0: ["reason"]}}}` to `{"a.0": ["reason"]}`."""
    found: dict[str, list[str]] = {}

    def walk(node: Any, path: tuple[str, ...]) -> None:
        if isinstance(node, dict):
            for key, child in node.items():
                walk(child, (*path, str(key)))
        else:
            reasons = [str(reason) for reason in (node if isinstance(node, list) else [node])]
            found.setdefault(".".join(path) or "_schema", []).extend(reasons)

    for location in messages.values() if isinstance(messages, dict) else [messages]:
        walk(location, ())
    return found


def answer_database_error(error: DBAPIError) -> Response:
    """The database is away, overloaded, or refuses a value that no schema caught."""
    state = getattr(error.orig, "pgcode", None)
    if isinstance(error, IntegrityError):
        log.warning("integrity_error", sqlstate=state)
        return answer_app_error(Conflict())
    if state in NOT_STORABLE:
        return answer_app_error(Unprocessable("A value in the request cannot be stored."))
    if isinstance(error, OperationalError | InterfaceError) or state in {
        QUERY_CANCELED,
        LOCK_NOT_AVAILABLE,
    }:
        log.warning("database_unavailable", sqlstate=state, error=type(error.orig).__name__)
        return answer_app_error(Unavailable(code="database_unavailable"))
    return answer_unexpected(error)


def answer_pool_timeout(_error: PoolTimeoutError) -> Response:
    log.warning("database_pool_exhausted")
    return answer_app_error(Unavailable(code="overloaded"))


def answer_unexpected(error: Exception) -> Response:
    """A bug of ours: logged in full, answered without any internal detail."""
    log.exception("unexpected_error", error_type=type(error).__name__)
    message = "An internal error occurred. Quote the request_id when you report it."
    return envelope(500, "internal_error", message, {})


def init_app(app: Flask) -> None:
    app.register_error_handler(AppError, answer_app_error)
    app.register_error_handler(HTTPException, answer_http_exception)
    app.register_error_handler(DBAPIError, answer_database_error)
    app.register_error_handler(PoolTimeoutError, answer_pool_timeout)
    app.register_error_handler(Exception, answer_unexpected)
