"""The Postman collection calls every endpoint, explains, tests and exemplifies each request. `make
postman` runs it."""

import json
import re
from collections import Counter
from typing import Any

import pytest
from flask import Flask
from openapi_schema_validator import OAS31Validator

from app.blueprints import TABLE, Guard
from app.openapi import path_of
from tests.postman import collection as postman
from tests.postman.collection import Item, folders, requests
from tests.postman.examples import asked

VARIABLE = re.compile(r"\{\{?[^{}]*\}?\}")
METHODS = frozenset({"get", "post", "put", "patch", "delete"})

SECRET = re.compile(
    r"eyJ[\w-]{20,}\.[\w-]+"  # a token
    r"|rk_(?:live|test)_\w{12,}"  # an API key
    r"|(?<=/webhook/)\w+/[\w-]{16,}"  # a channel's key
    r"|secret=[A-Z2-7]{16,}"  # a second factor's
)

REFRESH = "Refresh the saved examples: DEVELOPERS.md says how."

Described = dict[str, dict[str, Any]]
"""Operations of the OpenAPI document, by `GET /channels/{}`."""


@pytest.fixture(scope="module")
def collection() -> dict[str, Any]:
    return postman.load()


@pytest.fixture(scope="module")
def items(collection: dict[str, Any]) -> list[Item]:
    found: list[Item] = collection["item"]
    return found


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    loaded: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    return loaded


@pytest.fixture(scope="module")
def described(document: dict[str, Any]) -> Described:
    return {
        f"{method.upper()} {VARIABLE.sub('{}', path)}": operation
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if method in METHODS
    }


def call_of(item: Item) -> str | None:
    """Return `GET /channels/{}` of a request to our own service, None of others."""
    url = item["request"]["url"]
    if url["host"] != ["{{base_url}}"]:
        return None
    return f"{item['request']['method']} {VARIABLE.sub('{}', '/' + '/'.join(url['path']))}"


def called(items: list[Item]) -> set[str]:
    return {call for item in requests(items) if (call := call_of(item))}


def permissions(app: Flask) -> dict[str, str]:
    """Return the permission that each call of a caller needs."""
    names = {entry.blueprint.name for entry in TABLE if entry.guard is Guard.CALLER}
    needed = {}
    for rule in app.url_map.iter_rules():
        view: Any = app.view_functions[rule.endpoint]
        if rule.endpoint.rpartition(".")[0] in names:
            for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
                needed[f"{method} {VARIABLE.sub('{}', path_of(rule))}"] = view.permission
    return needed


def untested(items: list[Item]) -> list[str]:
    return [
        item["name"]
        for item in requests(items)
        if not any(
            event["listen"] == "test" and "pm.test(" in "".join(event["script"]["exec"])
            for event in item.get("event", [])
        )
    ]


def undescribed(items: list[Item]) -> list[str]:
    """Return the folders and requests without a description."""
    texts = [(item["name"], item.get("description")) for item in folders(items)]
    texts += [(item["name"], item["request"].get("description")) for item in requests(items)]
    return [name for name, text in texts if not str(text or "").strip()]


def without_example(items: list[Item]) -> list[str]:
    return [item["name"] for item in requests(items) if not item.get("response")]


def outdated(items: list[Item]) -> list[str]:
    """Return the requests whose saved example belongs to an earlier form of the request."""
    return [
        item["name"]
        for item in requests(items)
        for saved in item.get("response", [])
        if saved["originalRequest"] != asked(item)
    ]


def silent_on_permission(items: list[Item], needed: dict[str, str]) -> list[str]:
    return [
        item["name"]
        for item in requests(items)
        if (permission := needed.get(call_of(item) or ""))
        and f"`{permission}`" not in item["request"]["description"]
    ]


def undocumented_answers(
    items: list[Item], described: Described, document: dict[str, Any]
) -> dict[str, str]:
    """Return the examples whose form is not that of the OpenAPI document, with the reason."""
    wrong = {}
    for item in requests(items):
        operation = described.get(call_of(item) or "")
        for saved in item["response"]:
            if operation and saved["_postman_previewlanguage"] == "json":
                schema = schema_of(operation, saved["code"], document)
                for error in OAS31Validator(schema).iter_errors(json.loads(saved["body"])):
                    wrong[item["name"]] = error.message
    return wrong


def schema_of(operation: dict[str, Any], code: int, document: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an answer, with the components to which it may refer."""
    response = operation["responses"][str(code)]
    if "$ref" in response:
        response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    return {**schema, "components": document["components"]}


def undeclared(loaded: dict[str, Any]) -> set[str]:
    """Return the variables that a request uses but nothing defines."""
    text = json.dumps(loaded)
    used = set(re.findall(r"\{\{(\w+)\}\}", text))
    given = {variable["key"] for variable in loaded["variable"]}
    return used - given - set(re.findall(r'collectionVariables\.set\(\\"(\w+)\\"', text))


def planted(**changes: Any) -> list[Item]:
    """Return a folder with one request that has everything, but for the changes."""
    request = {
        "description": "Lists channels. Needs `channels:read`.",
        "method": "GET",
        "url": {"host": ["{{base_url}}"], "path": ["channels"]},
    }
    item = {
        "name": "planted",
        "event": [{"listen": "test", "script": {"exec": ["pm.test("]}}],
        "request": request,
        "response": [{"originalRequest": {**request, "description": None}}],
    }
    return [{"name": "folder", "description": "Channels.", "item": [{**item, **changes}]}]


def test_it_is_a_collection_of_version_2_1(collection: dict[str, Any]) -> None:
    assert collection["info"]["schema"].endswith("/v2.1.0/collection.json")


def test_it_calls_every_operation_of_the_description_and_no_other(
    items: list[Item], described: Described
) -> None:
    assert called(items) == set(described)


def test_a_missing_operation_is_noticed(items: list[Item], described: Described) -> None:
    assert set(described) - called(items[1:]) != set()


def test_every_request_is_tested(items: list[Item]) -> None:
    assert untested(items) == []


def test_a_request_without_a_test_is_noticed() -> None:
    assert untested(planted()) == []
    assert untested(planted(event=[])) == ["planted"]


def test_everything_has_a_description(collection: dict[str, Any], items: list[Item]) -> None:
    assert collection["info"]["description"].strip()
    assert undescribed(items) == []


def test_a_missing_description_is_noticed() -> None:
    assert undescribed(planted()) == []
    (folder,) = planted(request={"description": " "})
    assert undescribed([folder | {"description": ""}]) == ["folder", "planted"]


def test_every_description_names_the_permission_that_is_needed(
    app: Flask, items: list[Item]
) -> None:
    assert silent_on_permission(items, permissions(app)) == []


def test_a_description_without_the_permission_is_noticed() -> None:
    assert silent_on_permission(planted(), {"GET /channels": "channels:read"}) == []
    assert silent_on_permission(planted(), {"GET /channels": "other"}) == ["planted"]


def test_every_request_has_a_saved_example(items: list[Item]) -> None:
    assert without_example(items) == [], REFRESH


def test_a_missing_example_is_noticed() -> None:
    assert without_example(planted()) == []
    assert without_example(planted(response=[])) == ["planted"]


def test_every_example_belongs_to_its_request_as_it_is(items: list[Item]) -> None:
    assert outdated(items) == [], REFRESH


def test_an_example_of_an_earlier_request_is_noticed() -> None:
    assert outdated(planted()) == ["planted"]


def test_every_example_has_the_form_of_the_description(
    items: list[Item], described: Described, document: dict[str, Any]
) -> None:
    assert undocumented_answers(items, described, document) == {}, REFRESH


def test_an_example_of_another_form_is_noticed(
    described: Described, document: dict[str, Any]
) -> None:
    saved = {"_postman_previewlanguage": "json", "code": 200, "body": '{"items": [{}]}'}
    assert set(undocumented_answers(planted(response=[saved]), described, document)) == {"planted"}


def test_no_secret_is_in_it(collection: dict[str, Any]) -> None:
    assert SECRET.findall(json.dumps(collection)) == []


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJIUzI1NiIsImtpZCI6IjMzZjFj.eyJm",
        "rk_test_d99sW2kvp8hX_kBk5EczxQGi",
        "/webhook/twilio/XNKfuSonKHBKCZRHJGNhaejgHjoAt43d",
        "otpauth://totp/Recado:demo?secret=JBSWY3DPEHPK3PXP",
    ],
)
def test_a_secret_is_noticed(secret: str) -> None:
    assert SECRET.search(secret)


def test_names_are_unique(items: list[Item]) -> None:
    names = Counter(item["name"] for item in [*folders(items), *requests(items)])
    assert [name for name, count in names.items() if count > 1] == []


def test_every_variable_has_a_value(collection: dict[str, Any]) -> None:
    assert undeclared(collection) == set()


def test_the_first_variables_are_those_that_a_reader_changes(collection: dict[str, Any]) -> None:
    keys = [variable["key"] for variable in collection["variable"]]
    assert {"base_url", "username", "password", "token", "simulator_url"} <= set(keys)
