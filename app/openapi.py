"""The OpenAPI 3.1 document of the API; app/docs/ serves it."""

import re
from functools import cache, partial
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from app.blueprints import TABLE, Guard, Kind
from app.common.schema import ErrorSchema
from app.config import Settings
from app.errors import InvalidInput, NotFound
from app.extensions import api

# Must come before api.init_app, which describes errors by it.
api.ERROR_SCHEMA = ErrorSchema

PLACEHOLDER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")

DESCRIPTION = """\
Recado talks with your customers on WhatsApp: it sends, receives, answers, and tells your systems.

Sign in at `POST /auth/login` and send `Authorization: Bearer <token>`, or make an API key.

- Every error has the same form: `error` says what to do next, `code` is stable.
- Every answer carries `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`; a 429
  says in `Retry-After` how many seconds to wait.
- A POST that creates something honours `Idempotency-Key`: the same key and body get the first
  answer again, for 24 hours.
- Lists are pages: `limit` (at most 100) and `cursor`, the `next_cursor` of the page before.
- Phone numbers are taken as `whatsapp:+15551234567`, `+15551234567` or `15551234567`, or as a
  WhatsApp user id, and answered in E.164.
"""

WRONG_FIELD = {"fields": {"to_number": ["Missing data for required field."]}}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A unique text for this request. Send the same one again to retry safely.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "order-1042-confirmation",
}

RATE_LIMIT_HEADERS = {
    "X-RateLimit-Limit": "How many requests a window allows.",
    "X-RateLimit-Remaining": "How many of them are left.",
    "X-RateLimit-Reset": "When the window ends, in seconds since 1970.",
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "login": {"username": "demo", "password": "password"},
    "send": {"to_number": "whatsapp:+15551234567", "body": "¡Hola desde la API!"},
    "send_message": {"phone": "+15551234567", "message": "Your order is ready.", "use_queue": True},
    "send_whatsapp": {
        "to_number": "+15551234567",
        "content_sid": "HX00000000000000000000000000000004",
        "content_variables": {"1": "1042", "2": "on its way"},
    },
    "create_channel": {
        "name": "Shop",
        "provider": "twilio",
        "phone_number": "+14155238886",
        "credentials": {
            "account_sid": "AC0000000000000000000000000000de30",
            "auth_token": "<auth token>",
        },
    },
}
"""Example request bodies by operationId."""


def flask_config(settings: Settings) -> dict[str, Any]:
    return {
        "API_TITLE": "Recado",
        "API_VERSION": "1",
        "OPENAPI_VERSION": "3.1.0",
        "API_SPEC_OPTIONS": {
            "info": {"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
            "servers": [
                {"url": "/", "description": "This installation."},
                {"url": settings.public_base_url, "description": "Its public address."},
            ],
        },
    }


def init_app(app: Flask) -> None:
    components = api.spec.components
    components.security_scheme(
        "bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT or rk_live_…"}
    )
    components.response("Failure", failure("not_found", NotFound.message, {}))
    components.response("Invalid", failure("validation_error", InvalidInput.message, WRONG_FIELD))
    if "Error" not in components.schemas:
        components.schema("Error", schema=ErrorSchema)
    for name, description in RATE_LIMIT_HEADERS.items():
        components.header(name, {"description": description, "schema": {"type": "integer"}})
    app.extensions["openapi"] = cache(partial(document, app))


def failure(code: str, message: str, details: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI response of an error, with an example."""
    example = {
        "success": False,
        "error": message,
        "code": code,
        "details": details,
        "request_id": "6a1f0c2be5a44d0f9b7f4f0f7c1f2d3e",
    }
    content = {"schema": {"$ref": "#/components/schemas/Error"}, "example": example}
    return {
        "description": "What went wrong, and what to do next.",
        "content": {"application/json": content},
    }


def document(app: Flask) -> dict[str, Any]:
    """Return the whole document: what flask-smorest collected, completed from our own tables."""
    written: dict[str, Any] = api.spec.to_dict()
    guards = {entry.blueprint.name: entry.guard for entry in TABLE if entry.kind is Kind.API}
    for rule in app.url_map.iter_rules():
        guard = guards.get(rule.endpoint.rpartition(".")[0])
        if guard is None:
            continue
        path = written["paths"][path_of(rule)]
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            complete(path[method.lower()], rule, app.view_functions[rule.endpoint], guard)
    return written


def path_of(rule: Rule) -> str:
    """Convert `/channels/<uuid:channel_id>` to `/channels/{channel_id}`."""
    return PLACEHOLDER.sub(r"{\1}", rule.rule)


def complete(operation: dict[str, Any], rule: Rule, view: Any, guard: Guard) -> None:
    """Add what only our own tables and decorators know about an operation."""
    operation["operationId"] = rule.endpoint.rpartition(".")[2]
    operation["security"] = [{"bearer": []}] if guard is Guard.CALLER else []
    if guard is Guard.CALLER:
        needed = f"Needs the permission `{view.permission}`."
        operation["description"] = f"{operation.get('description', '')}\n\n{needed}".strip()
    if getattr(view, "is_idempotent", False):
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    responses = operation.setdefault("responses", {"200": {"description": "OK"}})
    responses.pop("default", None)
    for response in responses.values():
        if "$ref" not in response:
            response["headers"] = {
                name: {"$ref": f"#/components/headers/{name}"} for name in RATE_LIMIT_HEADERS
            }
    responses["default"] = {"$ref": "#/components/responses/Failure"}
    if "422" in responses:
        responses["422"] = {"$ref": "#/components/responses/Invalid"}
    example = EXAMPLES.get(operation["operationId"])
    if example is not None:
        operation["requestBody"]["content"]["application/json"]["example"] = example
