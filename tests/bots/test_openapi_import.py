"""An OpenAPI document as functions and actions, without a server."""

import json
import time
from typing import Any

import pytest

from app.bots import checks
from app.bots.definition import Definition, Effect
from app.bots.openapi_import import Catalogue, Imported, NotOpenApi, Operation, read

Json = dict[str, Any]
TEXT = {"type": "string"}


def document(paths: Any, version: str = "3.1.0", **fields: Any) -> Json:
    return {"openapi": version, "info": {"title": "Shop", "version": "1"}, "paths": paths, **fields}


def parameter(name: str, place: str = "query", **fields: Any) -> Json:
    return {"name": name, "in": place, "schema": TEXT, **fields}


def taking(schema: Any, **fields: Any) -> Json:
    """Return an operation with a JSON body."""
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    return {"operationId": "make", "requestBody": body, **fields}


def one(operation: Any, path: str = "/orders", method: str = "post", **fields: Any) -> Operation:
    (found,) = read(document({path: {method: operation}}, **fields)).operations
    return found


def made(operation: Any, path: str = "/orders", method: str = "post", **fields: Any) -> Imported:
    """Return what an operation becomes, which passes the checks of a bot."""
    found = one(operation, path, method, **fields)
    assert found.imported is not None, found.reason
    imported = found.imported
    checks.check_definition(Definition("any", tools=(imported.tool,), actions=(imported.action,)))
    return imported


def reason(operation: Any, path: str = "/orders", method: str = "post", **fields: Any) -> str:
    found = one(operation, path, method, **fields)
    assert found.imported is None
    assert found.reason is not None
    return found.reason


def test_path_query_and_body_become_one_object() -> None:
    schema = {"type": "object", "required": ["size"], "properties": {"size": TEXT, "note": TEXT}}
    operation = taking(schema, summary="Change it", description="Only before it is sent.")
    operation["parameters"] = [parameter("id", "path", required=True), parameter("lang")]
    imported = made(operation, "/orders/{id}", "put")
    assert imported.tool.description == "Change it\n\nOnly before it is sent."
    assert set(imported.tool.parameters["properties"]) == {"id", "lang", "size", "note"}
    assert imported.tool.parameters["required"] == ["id", "size"]
    assert imported.action.path == "/orders/{id}"
    assert imported.action.query == {"lang": "{lang}"}
    assert imported.action.body == {"size": "{size}", "note": "{note}"}


@pytest.mark.parametrize(
    "name",
    ["phone", "telefono", "teléfono", "customer_phone", "customerPhone", "whatsapp", "phoneNumber"],
)
@pytest.mark.parametrize("place", ["path", "query", "body"])
def test_the_model_cannot_choose_the_customers_phone(name: str, place: str) -> None:
    operation: Json = {"operationId": "make", "parameters": [parameter(name, place)]}
    if place == "body":
        operation = taking({"properties": {name: TEXT}})
    imported = made(operation, f"/of/{{{name}}}" if place == "path" else "/orders")
    assert imported.tool.parameters["properties"] == {}
    filled = {
        "path": imported.action.path.rpartition("/")[2],
        "query": imported.action.query.get(name),
        "body": (imported.action.body or {}).get(name),
    }
    assert filled[place] == "{contact.phone}"
    assert "cannot choose" in imported.warnings[0]


@pytest.mark.parametrize("name", ["store_phone", "email", "customer_id"])
def test_a_name_of_a_person_that_the_model_chooses_is_told(name: str) -> None:
    imported = made({"parameters": [parameter(name)]}, method="get")
    assert name in imported.tool.parameters["properties"]
    assert f"the model chooses {name}" in imported.warnings[0]


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "object", "properties": {"phone": TEXT}},
        {"type": "array", "items": {"properties": {"telefono": TEXT}}},
        {"anyOf": [{"properties": {"a": {"properties": {"customerPhone": TEXT}}}}, TEXT]},
    ],
)
def test_a_phone_inside_of_an_object_is_refused(inner: Json) -> None:
    assert "holds a phone number inside" in reason(taking({"properties": {"guest": inner}}))


def test_an_object_of_a_body_takes_no_other_members() -> None:
    guest = {"type": "object", "properties": {"name": TEXT}}
    parameters = made(taking({"properties": {"guest": guest}})).tool.parameters
    assert parameters["additionalProperties"] is False
    assert parameters["properties"]["guest"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("method", "marks", "effect"),
    [
        ("get", {}, Effect.READ),
        ("post", {}, Effect.WRITE),
        ("delete", {}, Effect.CONFIRM),
        ("post", {"x-recado-confirm": True}, Effect.CONFIRM),
        ("get", {"x-recado-confirm": True}, Effect.CONFIRM),
    ],
)
def test_the_method_says_the_effect(method: str, marks: Json, effect: Effect) -> None:
    assert made({"operationId": "it", **marks}, method=method).action.effect is effect


def test_openapi_30_is_read_as_31() -> None:
    schema = {
        "type": "object",
        "properties": {
            "size": {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "nullable": True},
            "colour": {"type": "string", "enum": ["red"], "nullable": True, "example": "red"},
        },
    }
    properties = made(taking(schema), version="3.0.3").tool.parameters["properties"]
    assert properties["size"] == {"type": ["integer", "null"], "exclusiveMinimum": 0}
    assert properties["colour"] == {"type": ["string", "null"], "enum": ["red", None]}


def test_references_and_parts_are_put_together() -> None:
    components = {
        "schemas": {
            "Base": {"properties": {"id": {**TEXT, "readOnly": True}, "size": TEXT}},
            "New": {
                "allOf": [
                    {"$ref": "#/components/schemas/Base"},
                    {"required": ["colour", "id"], "properties": {"colour": TEXT}},
                ]
            },
        },
        "parameters": {"Lang": parameter("lang")},
    }
    operation = taking({"$ref": "#/components/schemas/New"})
    operation["parameters"] = [{"$ref": "#/components/parameters/Lang"}]
    imported = made(operation, components=components)
    assert set(imported.action.body or {}) == {"size", "colour"}
    assert imported.action.query == {"lang": "{lang}"}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/Loop"}, "refers to itself"),
        ({"properties": {"a": {"$ref": "#/components/schemas/Tree"}}}, "refers to itself"),
        ({"$ref": "#/components/schemas/None"}, "does not exist"),
        ({"$ref": "https://evil.example.com/schema.json"}, "outside of the document"),
        ({"oneOf": [{"properties": {"a": TEXT}}]}, "several forms"),
        ({"type": "array", "items": TEXT}, "no JSON object"),
        ({"type": "object"}, "names no properties"),
        ({"properties": {"a{b}": TEXT}}, "no braces"),
        ({"properties": {"phone": {"type": "integer"}}}, "is no text"),
        ({"properties": {str(number): TEXT for number in range(501)}}, "more than 500"),
        ({"properties": {"a": {"enum": ["b" * 30_000]}}}, "too large"),
    ],
)
def test_a_body_that_cannot_be_imported_says_why(schema: Json, words: str) -> None:
    tree = {"properties": {"child": {"items": {"$ref": "#/components/schemas/Tree"}}}}
    schemas = {"Loop": {"$ref": "#/components/schemas/Loop"}, "Tree": tree}
    assert words in reason(taking(schema), components={"schemas": schemas})


def test_deep_schemas_are_refused() -> None:
    schema: Json = TEXT
    for _ in range(12):
        schema = {"type": "object", "properties": {"a": schema}}
    assert "levels deep" in reason(taking(schema))


@pytest.mark.parametrize(
    ("operation", "path", "method", "words"),
    [
        ({"parameters": [parameter("sid", "cookie")]}, "/a", "get", "`cookie`"),
        ({"parameters": [parameter("X-Shop", "header", required=True)]}, "/a", "get", "X-Shop"),
        ({}, "/a/{id}", "get", "No parameter describes {id}"),
        ({}, "/año", "get", "Its path cannot be used"),
        ({}, "/a?b=1", "get", "Its path cannot be used"),
        ({}, "/a", "head", "HEAD cannot be called"),
        ({"operationId": "handoff_to_human"}, "/a", "get", "hands over"),
        ({"requestBody": {"required": True}}, "/a", "get", "GET with a body"),
        ({"requestBody": {"content": {"multipart/form-data": {}}}}, "/a", "post", "multipart"),
        (
            {"parameters": [parameter("ids", required=True, schema={"type": "array"})]},
            "/a",
            "get",
            "ids is a list",
        ),
    ],
)
def test_what_cannot_be_imported_says_why(
    operation: Json, path: str, method: str, words: str
) -> None:
    assert words in reason(operation, path, method)


def test_headers_that_we_send_and_lists_that_are_optional_do_not_hinder() -> None:
    operation = {
        "operationId": "it",
        "parameters": [
            parameter("Idempotency-Key", "header", required=True),
            parameter("X-Key", "header", required=True),
            parameter("tags", schema={"type": "array", "items": TEXT}),
            parameter("since", schema={"anyOf": [TEXT, {"type": "null"}]}),
        ],
        "security": [{"key": []}],
    }
    schemes = {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}
    imported = made(operation, method="get", components={"securitySchemes": schemes})
    assert imported.action.query == {"since": "{since}"}
    assert "tags is left out" in imported.warnings[0]
    assert "Bearer token" in imported.warnings[1]


def test_names_fit_and_do_not_collide() -> None:
    paths = {
        "/a": {
            "get": {"operationId": "ver pedido"},
            "post": {"operationId": "ver_pedido"},
            "put": {"operationId": "查询订单"},
            "delete": {"operationId": "x" * 100},
            "patch": {"operationId": "ver pedido"},
        },
        "/año/{id}": {"get": {}},
    }
    found = read(document(paths)).operations
    names = [each.name for each in found]
    assert names == ["ver_pedido", "ver_pedido_2", "put_a", "ver_pedido_3", "x" * 64, "get_ano_id"]
    assert found[3].reason == "Another operation has the same operationId."
    assert [each.operation_id for each in found[:3]] == ["ver pedido", "ver_pedido", "查询订单"]


def test_parameters_of_one_name_stay_apart() -> None:
    operation = taking({"properties": {"id": TEXT, "año nuevo": TEXT, "日": TEXT}})
    operation["parameters"] = [parameter("id", "path")]
    imported = made(operation, "/orders/{id}")
    assert imported.action.path == "/orders/{id}"
    assert imported.action.body == {
        "id": "{body_id}",
        "año nuevo": "{ano_nuevo}",
        "日": "{value}",
    }


@pytest.mark.parametrize(
    "given",
    [{}, {"openapi": 3}, {"openapi": "2.0"}, {"swagger": "2.0"}, {"openapi": "3.1.0", "paths": []}],
)
def test_another_document_is_refused(given: Json) -> None:
    with pytest.raises(NotOpenApi):
        read(given)


JUNK: list[Any] = [None, True, 0, -1.5, 1e400, "", "{", [], [None], {}, {"$ref": 1}, {"$ref": "#/"}]


def test_wrong_types_anywhere_raise_nothing_else() -> None:
    """Each value of a good document is replaced by each wrong one."""
    operation = taking(
        {
            "type": "object",
            "required": ["a"],
            "properties": {"a": {"type": "string", "enum": ["b"], "minLength": 1, "pattern": "b"}},
            "allOf": [{"properties": {"c": {"items": TEXT, "additionalProperties": TEXT}}}],
        },
        parameters=[parameter("id", "path", required=True, description="It.")],
        security=[{"key": []}],
        summary="Do it",
    )
    good = document(
        {"/a/{id}": {"post": operation, "parameters": [parameter("q")]}},
        servers=[{"url": "https://{a}.example.com", "variables": {"a": {"default": "b"}}}],
        components={"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}},
    )
    for place in _places(good):
        for junk in JUNK:
            try:
                found = read(_replaced(good, place, junk))
            except NotOpenApi:
                continue
            _check(found)


def _check(found: Catalogue) -> None:
    """Check that what can be imported also passes the checks of a bot."""
    for each in found.operations:
        if each.imported is not None:
            parts = each.imported
            checks.check_definition(Definition("any", tools=(parts.tool,), actions=(parts.action,)))


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    return [place, *(inner for key in keys for inner in _places(value[key], (*place, key)))][
        0 if place else 1 :
    ]


def _replaced(value: Any, place: tuple[Any, ...], junk: Any) -> Any:
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = junk
    return copy


def test_of_many_operations_the_first_500_are_read() -> None:
    found = read(document({f"/a{number}": {"get": {}} for number in range(600)}))
    assert (len(found.operations), found.has_more) == (500, True)


def test_a_huge_document_is_read_in_seconds() -> None:
    """Each operation refers to the same large things, which are limited for all of them."""
    wide = {f"p{number}": {"$ref": "#/components/schemas/Inner"} for number in range(400)}
    schemas = {
        "Wide": {"properties": wide},
        "Inner": {"type": "string", "description": "d" * 900, "enum": []},
        "Parts": {"allOf": [{"properties": {}}] * 50_000},
        "Values": {"properties": {"a": {"enum": ["b"] * 50_000, "required": ["c"] * 50_000}}},
    }
    paths = {
        f"/a{number}": {
            "post": {
                **taking({"$ref": f"#/components/schemas/{name}"}),
                "operationId": f"a{number}",
            }
        }
        for number, name in enumerate(["Wide", "Parts", "Values"] * 200)
    }
    start = time.process_time()
    found = read(document(paths, components={"schemas": schemas}))
    assert time.process_time() - start < 5
    assert any("too large to read all" in str(each.reason) for each in found.operations)
    (last,) = read(document(paths, components={"schemas": schemas}), {"a498"}).operations
    assert "too large" in str(last.reason), "its schema is, but no longer the document"
    assert "document" not in str(last.reason)


def test_the_first_server_is_offered_with_its_defaults() -> None:
    servers = [{"url": "https://{a}.example.com/v1", "variables": {"a": {"default": "shop"}}}]
    assert read(document({}, servers=servers)).server == "https://shop.example.com/v1"
    assert read(document({})).server is None
