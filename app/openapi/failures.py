"""Which errors an operation may answer, and how each looks."""

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from operator import attrgetter
from typing import Any, NamedTuple, Self

from flask import Flask
from flask_limiter.constants import ExemptionScope
from werkzeug.routing import Rule

from app.blueprints import Guard
from app.common.idempotency import IdempotencyKeyReused
from app.errors import (
    HTTP_CODES,
    HTTP_MESSAGES,
    AppError,
    InvalidInput,
    NotFound,
    PermissionDenied,
    Unauthenticated,
    Unavailable,
    WrongMode,
)
from app.extensions import limiter

WAITS = frozenset({429, 503})
"""These are answered with Retry-After."""

Json = dict[str, Any]


class Failure(NamedTuple):
    """An error as a client meets it."""

    status: int
    code: str
    message: str
    details: Json

    @classmethod
    def of(cls, error: type[AppError]) -> Self:
        return cls(error.status, error.code, error.message, {})


BAD_BODY, TOO_LARGE, WRONG_TYPE, RATE_LIMITED = (
    Failure(status, HTTP_CODES[status], HTTP_MESSAGES[status], {})
    for status in (400, 413, 415, 429)
)
DATABASE_AWAY = Failure.of(Unavailable)._replace(code="database_unavailable")
WRONG_FIELD = Failure.of(InvalidInput)._replace(
    details={"fields": {"to_number": ["Missing data for required field."]}}
)


def of_operation(operation: Json, rule: Rule, view: Any, guard: Guard) -> list[Failure]:
    """Return every error of an operation: those that its view declares with `fails_with`, and those
    that follow from its guard and its input."""
    own = [Failure.of(error) for error in getattr(view, "errors", ())]
    is_idempotent = getattr(view, "is_idempotent", False)
    found = [*_by_guard(guard), *_by_input(operation, is_idempotent=is_idempotent), *own]
    if rule.arguments and all(each.status != 404 for each in own):
        found.append(Failure.of(NotFound))
    return found


def _by_guard(guard: Guard) -> Iterator[Failure]:
    if guard is Guard.CALLER:
        yield Failure.of(Unauthenticated)
        yield Failure.of(PermissionDenied)
        yield Failure.of(WrongMode)
    if guard in {Guard.CALLER, Guard.SIGNATURE}:
        yield DATABASE_AWAY


def _by_input(operation: Json, *, is_idempotent: bool) -> Iterator[Failure]:
    """flask-smorest describes a 422 where there are arguments; a key in a header may be wrong,
    too."""
    body = operation.get("requestBody")
    if body:
        yield from (BAD_BODY, TOO_LARGE)
    if body and "application/json" in body["content"]:
        yield WRONG_TYPE
    if is_idempotent or "422" in operation.get("responses", {}):
        yield WRONG_FIELD
    if is_idempotent:
        yield Failure.of(IdempotencyKeyReused)


def is_limited(app: Flask, rule: Rule) -> bool:
    """Return whether the rate limit counts this route."""
    scope = limiter.limit_manager.exemption_scope(app, rule.endpoint, None)
    return scope is ExemptionScope.NONE


def responses(failures: Iterable[Failure]) -> Json:
    """Return status → OpenAPI response, which refers to one example for each code."""
    found: Json = {}
    for failure in sorted(failures, key=attrgetter("status")):
        described = found.setdefault(str(failure.status), response(failure.status))
        examples = described["content"]["application/json"]["examples"]
        examples[failure.code] = {"$ref": f"#/components/examples/{failure.code}"}
    return found


def response(status: int) -> Json:
    schema = {"$ref": "#/components/schemas/Error"}
    content = {"application/json": {"schema": schema, "examples": {}}}
    written: Json = {"description": f"{HTTPStatus(status).phrase}.", "content": content}
    if status in WAITS:
        written["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return written


def example(failure: Failure) -> Json:
    return {
        "value": {
            "success": False,
            "error": failure.message,
            "code": failure.code,
            "details": failure.details,
            "request_id": "6a1f0c2be5a44d0f9b7f4f0f7c1f2d3e",
        }
    }
