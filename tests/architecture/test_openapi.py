"""The document at /openapi.json is valid, complete, and served without any outside host."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.blueprints import TABLE, Guard, Kind
from app.openapi import EXAMPLES, path_of

METHODS = frozenset({"get", "post", "put", "patch", "delete"})


@pytest.fixture(scope="module")
def described(app: Flask) -> dict[str, Any]:
    answer = app.test_client().get("/openapi.json")
    assert answer.status_code == 200
    document: dict[str, Any] = answer.get_json()
    return document


def operations(described: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", operation


def guarded_routes(app: Flask) -> dict[str, Guard]:
    """Return the guard of each route of the API."""
    guards = {entry.blueprint.name: entry.guard for entry in TABLE if entry.kind is Kind.API}
    return {
        f"{method} {path_of(rule)}": guards[name]
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if (name := rule.endpoint.rpartition(".")[0]) in guards
    }


def test_it_is_valid_openapi_3_1(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(described).iter_errors()] == []


def test_the_validator_bites(described: dict[str, Any]) -> None:
    broken = {**described, "paths": {"/x": {"get": {"responses": {"200": {}}}}}}
    assert list(OpenAPIV31SpecValidator(broken).iter_errors()) != []


def test_it_describes_every_route_and_no_other(app: Flask, described: dict[str, Any]) -> None:
    assert {call for call, _ in operations(described)} == set(guarded_routes(app))


def test_operation_ids_are_unique(described: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(described)]
    assert sorted(ids) == sorted(set(ids))


def test_each_operation_has_a_summary_and_a_described_tag(described: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in described["tags"] if tag.get("description")}
    lacking = [
        call
        for call, operation in operations(described)
        if not operation.get("summary") or not set(operation["tags"]) <= tags
    ]
    assert lacking == []


def test_each_operation_answers_failures_in_the_envelope(described: dict[str, Any]) -> None:
    for call, operation in operations(described):
        assert operation["responses"]["default"]["$ref"].endswith("/Failure"), call
    error = described["components"]["schemas"]["Error"]
    assert set(error["properties"]) == {"success", "error", "code", "details", "request_id"}


def test_operations_of_callers_ask_for_a_token_and_no_others(
    app: Flask, described: dict[str, Any]
) -> None:
    guards = guarded_routes(app)
    wrong = [
        call
        for call, operation in operations(described)
        if bool(operation["security"]) is not (guards[call] is Guard.CALLER)
    ]
    assert wrong == []


def test_the_idempotency_key_is_described_where_it_is_honoured(
    app: Flask, described: dict[str, Any]
) -> None:
    described_at = {
        operation["operationId"]
        for _, operation in operations(described)
        if any(each.get("name") == "Idempotency-Key" for each in operation.get("parameters", []))
    }
    honoured_at = {
        endpoint.rpartition(".")[2]
        for endpoint, view in app.view_functions.items()
        if getattr(view, "is_idempotent", False)
    }
    assert described_at == honoured_at != set()


def test_every_example_belongs_to_an_operation(described: dict[str, Any]) -> None:
    ids = {operation["operationId"] for _, operation in operations(described)}
    assert set(EXAMPLES) - ids == set()


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/docs", "text/html"),
        ("/docs/", "text/html"),
        ("/docs/swagger-ui.css", "text/css"),
        ("/docs/swagger-ui-bundle.js", "text/javascript"),
        ("/docs/start.js", "text/javascript"),
        ("/docs/LICENSE", "text/plain"),
    ],
)
def test_the_page_and_its_files_are_ours(client: FlaskClient, path: str, kind: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (200, kind)
    assert "default-src 'none'; script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_the_page_names_no_outside_host(client: FlaskClient) -> None:
    page = client.get("/docs").text + client.get("/docs/start.js").text
    assert re.findall(r"https?://|src=\"//", page) == []


@pytest.mark.parametrize("name", ["../blueprints.py", "..%2f..%2fconfig.py", "nothing.js"])
def test_the_page_serves_no_other_file(client: FlaskClient, name: str) -> None:
    assert client.get(f"/docs/{name}").status_code == 404
