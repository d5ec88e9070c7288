"""The document at /openapi.json is valid, complete, and served without any outside host."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.blueprints import TABLE, Guard, Kind
from app.common.permissions import Permission
from app.openapi import path_of, schema_of
from app.openapi.examples import REQUESTS
from app.openapi.tags import TAGS

STATES = ("GET /health", "GET /api/status")
"""Their 503 has the form of their 200."""

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


def test_each_operation_has_a_short_name_of_its_own(described: dict[str, Any]) -> None:
    names = [operation["summary"] for _, operation in operations(described)]
    assert [name for name in names if len(name) > 45 or re.search(r"[.;:,]", name)] == []
    assert sorted(names) == sorted(set(names))


def test_the_sections_are_titled_described_and_in_the_order_of_the_table(
    app: Flask, described: dict[str, Any]
) -> None:
    assert [tag["name"] for tag in described["tags"]] == [tag.name for tag in TAGS]
    assert all(tag["description"] and tag["name"][0].isupper() for tag in described["tags"])
    used = {name for _, operation in operations(described) for name in operation["tags"]}
    assert used == {tag.name for tag in TAGS}
    ours = {entry.blueprint.name for entry in TABLE if entry.kind is Kind.API}
    assert {name for tag in TAGS for name in tag.blueprints} == ours


def test_nothing_is_filled_into_a_field_of_the_page(described: dict[str, Any]) -> None:
    """The page would send an example of a parameter with every try, unseen."""
    filled = [
        (call, parameter["name"])
        for call, operation in operations(described)
        for parameter in operation.get("parameters", [])
        if {"example", "examples"} & {*parameter, *parameter["schema"]}
        or (parameter["name"] != "limit" and "default" in parameter["schema"])
    ]
    assert filled == []


def test_each_failure_is_in_the_envelope_and_has_an_example(described: dict[str, Any]) -> None:
    error = described["components"]["schemas"]["Error"]
    assert set(error["properties"]) == {"success", "error", "code", "details", "request_id"}
    for call, operation in operations(described):
        for status, answer in operation["responses"].items():
            if status < "400" or call.startswith(STATES):
                continue
            content = answer["content"]["application/json"]
            assert content["schema"]["$ref"].endswith("/Error"), (call, status)
            assert content["examples"], (call, status)


def test_callers_learn_what_every_guarded_operation_may_answer(
    app: Flask, described: dict[str, Any]
) -> None:
    guards = guarded_routes(app)
    for call, operation in operations(described):
        if guards[call] is Guard.CALLER:
            assert {"401", "403", "429", "503"} <= set(operation["responses"]), call
        if "{" in call:
            assert "404" in operation["responses"], call


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the media types of the request body and of every answer."""
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    yield from (content for body in bodies for content in body.get("content", {}).values())


def shown(content: dict[str, Any], described: dict[str, Any]) -> list[Any]:
    """Return the examples of a media type."""
    known = described["components"]["examples"]
    named = [
        known[each["$ref"].rpartition("/")[2]]["value"] if "$ref" in each else each["value"]
        for each in content.get("examples", {}).values()
    ]
    return [content["example"], *named] if "example" in content else named


def test_each_body_and_each_answer_has_an_example_that_its_schema_allows(
    described: dict[str, Any],
) -> None:
    for call, operation in operations(described):
        for content in contents(operation):
            if "schema" not in content:
                continue
            schema = {**content["schema"], "components": described["components"]}
            examples = shown(content, described)
            assert examples, call
            for example in examples:
                reasons = [e.message for e in Draft202012Validator(schema).iter_errors(example)]
                assert reasons == [], (call, example)


def test_each_example_of_a_request_is_accepted_by_the_schema_of_its_view(
    app: Flask, described: dict[str, Any]
) -> None:
    """A view's schema says more than JSON Schema can, such as that text and template exclude each
    other."""
    loaded = 0
    for _, operation in operations(described):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            reference = content["schema"].get("$ref")
            for example in shown(content, described) if reference else ():
                schema_of(reference).load(example)
                loaded += 1
    assert loaded > 20


def test_a_body_may_be_left_out_only_where_an_empty_one_is_accepted(
    described: dict[str, Any],
) -> None:
    bodies = {
        operation["operationId"]: operation["requestBody"]["required"]
        for _, operation in operations(described)
        if "requestBody" in operation
    }
    assert (bodies["send"], bodies["update_own_tenant"]) == (True, False)


FREE = {"AuditEntry.subject_type", "Media.mime_type", "NewTenant.owner"}
"""The words of these have no end; an owner is a person."""
WORDS = ("status", "state", "mode", "role", "direction", "sender", "owner", "type", "window")


def test_each_field_with_a_fixed_list_of_words_names_them(described: dict[str, Any]) -> None:
    vague = {
        f"{schema}.{name}"
        for schema, written in described["components"]["schemas"].items()
        for name, field in written["properties"].items()
        if (name in WORDS or name.endswith("_type")) and "enum" not in field
    }
    assert vague == FREE


def test_the_description_names_no_scope_that_grants_nothing(described: dict[str, Any]) -> None:
    text = json.dumps(described)
    named = set(re.findall(r"\b[a-z_]+:(?:read|write|send)\b", text))
    assert named <= {str(each) for each in Permission}


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


def test_every_example_belongs_to_an_operation_with_a_body(described: dict[str, Any]) -> None:
    with_body = {
        operation["operationId"]
        for _, operation in operations(described)
        if "requestBody" in operation
    }
    assert set(REQUESTS) == with_body


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


def test_the_page_keeps_no_token_in_the_browser(client: FlaskClient) -> None:
    assert "persistAuthorization: false" in client.get("/docs/start.js").text


@pytest.mark.parametrize("name", ["../blueprints.py", "..%2f..%2fconfig.py", "nothing.js"])
def test_the_page_serves_no_other_file(client: FlaskClient, name: str) -> None:
    assert client.get(f"/docs/{name}").status_code == 404
