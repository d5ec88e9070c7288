"""The OpenAPI 3.1 document of the API; app/docs/ serves it."""

import re
from functools import cache, partial
from typing import Any

from flask import Flask
from marshmallow import Schema, ValidationError
from werkzeug.routing import Rule

from app.blueprints import TABLE, Guard, Kind
from app.common.principal import MODE_HEADER
from app.common.schema import ErrorSchema
from app.config import Settings
from app.errors import AppError
from app.extensions import api
from app.openapi import examples, failures, tags

# Must come before api.init_app, which describes errors by it.
api.ERROR_SCHEMA = ErrorSchema

Json = dict[str, Any]

PLACEHOLDER = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")

DESCRIPTION = """\
Recado talks with your customers on WhatsApp: it sends, receives and answers.

Sign in at `POST /auth/login` and send `Authorization: Bearer <token>`, or make an API key.

- Every error has the same form: `error` says what to do next, `code` is stable. Each operation
  lists its own; a fault of ours is answered 500 in the same form.
- Every answer carries `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset`; a 429
  says in `Retry-After` how many seconds to wait.
- A POST that creates something honours `Idempotency-Key`: the same key and body get the first
  answer again, for 24 hours.
- Lists are pages: `limit` (at most 100) and `cursor`, the `next_cursor` of the page before.
- Phone numbers are taken as `whatsapp:+15551234567`, `+15551234567` or `15551234567`, or as a
  WhatsApp user id, and answered in E.164.
"""

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A unique text for this request, such as `order-1042-confirmation`. Send the "
    "same one again to retry safely: the request is carried out once. Leave it empty to send anew.",
    # Printable ASCII: what every HTTP client can send.
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

MODE = {
    "name": MODE_HEADER,
    "in": "header",
    "required": False,
    "description": "`live` or `test`: which messages and conversations this is about. A signed-in "
    "person chooses, and live is the default; an API key has the mode that it was created with.",
    "schema": {"type": "string", "enum": ["live", "test"]},
}
OF_MODES = frozenset({"sending", "send_whatsapp", "messages", "conversations"})
"""Blueprints whose operations are about one mode."""

RATE_LIMIT_HEADERS = {
    "X-RateLimit-Limit": "How many requests a window allows.",
    "X-RateLimit-Remaining": "How many of them are left.",
    "X-RateLimit-Reset": "When the window ends, in seconds since 1970.",
}
LIMIT_REFERENCES = {name: {"$ref": f"#/components/headers/{name}"} for name in RATE_LIMIT_HEADERS}
HEADERS = {**RATE_LIMIT_HEADERS, "Retry-After": "Seconds to wait before the next try."}


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
    if "Error" not in components.schemas:
        components.schema("Error", schema=ErrorSchema)
    for name, description in HEADERS.items():
        components.header(name, {"description": description, "schema": {"type": "integer"}})
    app.extensions["openapi"] = cache(partial(document, app))


def document(app: Flask) -> Json:
    """Return the whole document: what flask-smorest collected, completed from our own tables."""
    written: Json = api.spec.to_dict()
    components = written["components"]
    # flask-smorest adds one for each status that it knows; ours name their codes.
    components.pop("responses", None)
    components["schemas"].pop("PaginationMetadata", None)
    components["examples"] = {}
    written["tags"] = tags.in_openapi()
    guards = {entry.blueprint.name: entry.guard for entry in TABLE if entry.kind is Kind.API}
    for rule in app.url_map.iter_rules():
        guard = guards.get(rule.endpoint.rpartition(".")[0])
        if guard is None:
            continue
        path = written["paths"][path_of(rule)]
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            complete(app, path[method.lower()], rule, guard, components)
    return written


def path_of(rule: Rule) -> str:
    """Convert `/channels/<uuid:channel_id>` to `/channels/{channel_id}`."""
    return PLACEHOLDER.sub(r"{\1}", rule.rule)


def complete(app: Flask, operation: Json, rule: Rule, guard: Guard, components: Json) -> None:
    """Add what only our own tables and decorators know about an operation."""
    view: Any = app.view_functions[rule.endpoint]
    blueprint, _, name = rule.endpoint.rpartition(".")
    operation["operationId"] = name
    operation["tags"] = [tags.OF_BLUEPRINT[blueprint]]
    operation["security"] = [{"bearer": []}] if guard is Guard.CALLER else []
    if guard is Guard.CALLER:
        needed = f"Needs the permission `{view.permission}`."
        operation["description"] = f"{operation.get('description', '')}\n\n{needed}".strip()
    for parameter in operation.get("parameters", []):
        leave_empty(parameter)
    if getattr(view, "is_idempotent", False):
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    if blueprint in OF_MODES:
        operation.setdefault("parameters", []).append(MODE)
    describe_body(operation)
    add_errors(app, operation, rule, guard, components["examples"])
    add_examples(operation, components["schemas"])


def leave_empty(parameter: Json) -> None:
    """Remove what the page would fill into a parameter's field: people would send it unseen."""
    for place in (parameter, parameter["schema"]):
        place.pop("example", None)
        if place.get("default", ...) is None:
            place.pop("default")


def describe_body(operation: Json) -> None:
    """Say that a body may be left out where an empty object is accepted."""
    body = operation.get("requestBody", {})
    reference = body.get("content", {}).get("application/json", {}).get("schema", {}).get("$ref")
    if reference:
        body["required"] = not accepts_nothing(schema_of(reference))


def accepts_nothing(schema: Schema) -> bool:
    """Return whether the schema loads an empty object."""
    try:
        schema.load({})
    except (ValidationError, AppError):
        return False
    return True


def schema_of(reference: str) -> Schema:
    """Return the schema that a reference of the document names."""
    named = api.ma_plugin.converter.refs.items()
    name = reference.rpartition("/")[2]
    found: Schema = next(key[0]() for key, given in named if given == name)
    return found


def add_errors(app: Flask, operation: Json, rule: Rule, guard: Guard, known: Json) -> None:
    """Describe each error that the operation may answer, by its status and code."""
    view = app.view_functions[rule.endpoint]
    is_limited = failures.is_limited(app, rule)
    found = failures.of_operation(operation, rule, view, guard)
    if is_limited:
        found.insert(0, failures.RATE_LIMITED)
    known.update({each.code: failures.example(each) for each in found})
    answers = operation.setdefault("responses", {})
    for unspecific in ("default", "422"):
        answers.pop(unspecific, None)
    for answer in answers.values() if is_limited else ():
        answer.setdefault("headers", {}).update(LIMIT_REFERENCES)
    for status, answer in failures.responses(found).items():
        answers.setdefault(status, answer)


def add_examples(operation: Json, schemas: Json) -> None:
    """Give the request body, and each answer that holds JSON, an example."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if "example" not in content:
            content["examples"] = examples.of_requests(operation["operationId"])
    for answer in operation["responses"].values():
        for content in answer.get("content", {}).values():
            if "schema" in content and not {"example", "examples"} & set(content):
                content["example"] = examples.of_schema(content["schema"], schemas)
