"""Bodies that no bot can be made of are refused with the field and the reason."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ai.types import Tool
from app.bots import checks
from app.bots.definition import Action, Definition
from app.errors import InvalidInput
from tests.bots.bodies import ACTION, FUNCTION, PARAMETERS, PATH, body, make, path_of, post, reasons
from tests.common.census import row_counts
from tests.factories import ApiClient

DEEP: dict[str, Any] = {"type": "object"}
for _ in range(12):
    DEEP = {"type": "object", "properties": {"a": DEEP}}


@pytest.mark.parametrize(
    "field",
    [
        {"name": ""},
        {"name": "  "},
        {"name": 7},
        {"name": "x" * 101},
        {"twilio_phone_number": None},
        {"twilio_phone_number": 15551234567},
        {"twilio_phone_number": "hello"},
        {"instructions": None},
        {"instructions": ["x"]},
        {"instructions": "x" * 262_145},
        {"openai_model": ""},
        {"openai_model": 4},
        {"max_tokens": 0},
        {"max_tokens": 32_001},
        {"max_tokens": 10**30},
        {"max_tokens": "500"},
        {"max_tokens": 1.5},
        {"max_tokens": True},
        {"temperature": -0.1},
        {"temperature": 2.1},
        {"temperature": "0.5"},
        {"temperature": True},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"reasoning_effort": "hard"},
        {"reasoning_effort": None},
        {"history_messages": 0},
        {"history_messages": 51},
        {"assistant_functions": {}},
        {"assistant_functions": [None]},
        {"assistant_functions": ["find_order"]},
        {"horizon_actions": "GET /"},
        {"assistant_config": []},
        {"assistant_config": {"top_p": 1}},
        {"assistant_config": {"tools": [{"type": "code_interpreter"}]}},
        {"metadata": []},
        {"metadata": {"a": float("nan")}},
        {"metadata": {"a": float("-inf")}},
        {"metadata": {"a": "x" * 20_000}},
        {"metadata": {"a\x00": 1}},
        {"metadata": {"a": "\ud800"}},
        {"model": "gpt-6-luna"},
        {"model": {"key": "x"}},
        {"model": {"api_key": ""}},
        {"model": {"api_key": "a b"}},
        {"model": {"api_key": "sk-live\n"}},
        {"model": {"api_key": "a\r\nHost: evil"}},
        {"model": {"api_key": "ключ"}},
        {"model": {"api_key": "x" * 501}},
        {"id": "mine"},
    ],
)
def test_a_field_of_the_wrong_form_is_refused(signed_in: ApiClient, field: dict[str, Any]) -> None:
    given = {**body(signed_in.tenant_id), **field}
    before = row_counts(signed_in.tenant_id)
    assert reasons(signed_in.post(PATH, given))
    assert row_counts(signed_in.tenant_id) == before


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "http://example.com/v1",
        "ftp://example.com",
        "https://localhost/v1",
        "https://127.0.0.1/v1",
        "https://[::1]/v1",
        "https://169.254.169.254/latest",
        "https://10.0.0.7",
        "https://2130706433/",
        "https://user:pass@example.com",
        "https://example.com:6379/",
        "https://example.com/v1?key=x",
        "https://example.com/v1#x",
        "https://exa mple.com",
        "https://" + "x" * 2000 + ".com",
        7,
    ],
)
@pytest.mark.parametrize("server", ["model", "actions"])
def test_an_address_that_we_may_not_call_is_refused(
    signed_in: ApiClient, server: str, url: Any
) -> None:
    answer = post(signed_in, openai_model="m", **{server: {"base_url": url}})
    assert set(reasons(answer)) == {f"{server}.base_url"}


@pytest.mark.parametrize(
    ("function", "field", "word"),
    [
        ({}, "name", "Missing"),
        ({"name": "a b"}, "name", "letters"),
        ({"name": ""}, "name", "letters"),
        ({"name": "x" * 65}, "name", "letters"),
        ({"name": "find_order\n"}, "name", "letters"),
        ({"name": "búsqueda"}, "name", "letters"),
        ({"type": "file_search", "name": "a"}, "type", "Only functions"),
        ({"name": "a", "function": {"name": "b"}}, "name", "inside of `function` only"),
        (
            {"function": {"name": "b"}, "description": "x"},
            "description",
            "inside of `function` only",
        ),
        ({"type": "function", "function": {}}, "function.name", "Missing"),
        ({"name": "a", "parameters": None}, "parameters", "null"),
        ({"name": "a", "parameters": {}}, "parameters", "JSON schema of an object"),
        ({"name": "a", "parameters": {"type": "array"}}, "parameters", "JSON schema of an object"),
        (
            {"name": "a", "parameters": {"type": "object", "properties": [{}]}},
            "parameters",
            "properties",
        ),
        (
            {"name": "a", "parameters": {"type": "object", "properties": {"b": {"type": "x"}}}},
            "parameters",
            "properties.b.type",
        ),
        (
            {"name": "a", "parameters": {"type": "object", "required": "b"}},
            "parameters",
            "required",
        ),
        (
            {"name": "a", "parameters": {**PARAMETERS, "$ref": "https://evil.example.com/x"}},
            "parameters",
            "$ref",
        ),
        ({"name": "a", "parameters": {**PARAMETERS, "$ref": "#"}}, "parameters", "$ref"),
        (
            {"name": "a", "parameters": {**PARAMETERS, "$id": "https://evil.example.com/x"}},
            "parameters",
            "$id",
        ),
        ({"name": "a", "parameters": DEEP}, "parameters", "levels deep"),
        (
            {"name": "a", "parameters": {"type": "object", "description": "x" * 17_000}},
            "parameters",
            "16 kB",
        ),
        (
            {"name": "a", "parameters": {"type": "object", "maxProperties": float("inf")}},
            "parameters",
            "finite",
        ),
        ({"name": "a", "parameters": PARAMETERS, "strict": True}, "parameters", "strict"),
        (
            {
                "name": "a",
                "parameters": {**PARAMETERS, "additionalProperties": False},
                "strict": True,
            },
            "parameters",
            "`required`",
        ),
        ({"name": "a", "strict": "yes"}, "strict", "boolean"),
        (
            {"name": "a", "parameters": {"type": "object", "patternProperties": {"(": {}}}},
            "parameters",
            "regex",
        ),
        (
            {"name": "a", "parameters": {"type": "object", "properties": {"contact.phone": {}}}},
            "parameters",
            "filled in for you",
        ),
    ],
)
def test_a_function_that_no_model_could_call_is_refused(
    signed_in: ApiClient, function: dict[str, Any], field: str, word: str
) -> None:
    found = reasons(post(signed_in, assistant_functions=[function]))
    assert word in found[f"assistant_functions.0.{field}"][0]


def test_a_reference_into_the_same_schema_is_accepted(signed_in: ApiClient) -> None:
    parameters = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/a"}, "$ref": {"type": "string"}},
        "$defs": {"a": {"type": "string"}},
    }
    function = {"name": "a", "parameters": parameters}
    assert post(signed_in, assistant_functions=[function]).status_code == 201


def test_names_of_functions_are_unique(signed_in: ApiClient) -> None:
    found = reasons(post(signed_in, assistant_functions=[FUNCTION, FUNCTION]))
    assert set(found) == {"assistant_functions.1.name"}


def test_a_hundred_functions_are_the_most(signed_in: ApiClient) -> None:
    functions = [{"name": f"f{number}"} for number in range(101)]
    assert reasons(post(signed_in, assistant_functions=functions))
    assert post(signed_in, assistant_functions=functions[:100]).status_code == 201


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "other"}, "name"),
        ({"method": "TRACE"}, "method"),
        ({"method": "get"}, "method"),
        ({"path": ""}, "path"),
        ({"path": "orders"}, "path"),
        ({"path": "//evil.example.com/orders"}, "path"),
        ({"path": "/orders//1"}, "path"),
        ({"path": "https://evil.example.com/orders"}, "path"),
        ({"path": "/../admin"}, "path"),
        ({"path": "/orders/.."}, "path"),
        ({"path": "/orders/./1"}, "path"),
        ({"path": "/%2e%2e/admin"}, "path"),
        ({"path": "/orders\\..\\admin"}, "path"),
        ({"path": "/orders?admin=1"}, "path"),
        ({"path": "/orders#x"}, "path"),
        ({"path": "/orders\n"}, "path"),
        ({"path": "/or ders"}, "path"),
        ({"path": "/órdenes"}, "path"),
        ({"path": "/" + "x" * 1000}, "path"),
        ({"path": "/orders/{}"}, "path"),
        ({"path": "/orders/{other}"}, "path"),
        ({"path": "/orders/{order_id"}, "path"),
        ({"path": "/orders/order_id}"}, "path"),
        ({"path": "/orders/{{order_id}}"}, "path"),
        ({"path": "/orders/{contact.name}"}, "path"),
        ({"query": {"a": "{other}"}}, "query"),
        ({"query": {"{other}": "a"}}, "query"),
        ({"query": {"{order_id}": "a"}}, "query"),
        ({"query": {"a": ["{order_id}"]}}, "query"),
        ({"query": {"a": None}}, "query"),
        ({"method": "POST", "body": {"a": [{"{order_id}": 1}]}}, "body"),
        ({"query": {"a": "{"}}, "query"),
        ({"query": []}, "query"),
        ({"query": {"a": float("nan")}}, "query"),
        ({"body": {"a": 1}}, "body"),
        ({"method": "POST", "body": {"a": {"b": ["{other}"]}}}, "body"),
        ({"method": "POST", "body": []}, "body"),
        ({"effect": "erase"}, "effect"),
        ({"effect": None}, "effect"),
        ({"url": "/x"}, "url"),
    ],
)
def test_an_action_that_could_go_wrong_is_refused(
    signed_in: ApiClient, changes: dict[str, Any], field: str
) -> None:
    answer = post(
        signed_in, assistant_functions=[FUNCTION], horizon_actions=[{**ACTION, **changes}]
    )
    assert set(reasons(answer)) == {f"horizon_actions.0.{field}"}


@pytest.mark.parametrize(
    ("changes", "effect"),
    [
        ({}, "read"),
        ({"method": "POST", "body": {"id": "{order_id}", "who": ["{contact.id}", 1]}}, "write"),
        ({"method": "DELETE", "path": "/a-b/{order_id}.json/{note}"}, "write"),
        ({"method": "PUT", "path": "/", "effect": "confirm"}, "confirm"),
        ({"method": "POST", "path": "/find/", "effect": "read"}, "read"),
        ({"effect": "confirm"}, "confirm"),
    ],
)
def test_an_action_has_the_effect_of_its_method_unless_told(
    signed_in: ApiClient, changes: dict[str, Any], effect: str
) -> None:
    made = make(signed_in, assistant_functions=[FUNCTION], horizon_actions=[{**ACTION, **changes}])
    assert made["horizon_actions"][0]["effect"] == effect


def test_a_function_has_one_action(signed_in: ApiClient) -> None:
    answer = post(signed_in, assistant_functions=[FUNCTION], horizon_actions=[ACTION, ACTION])
    assert set(reasons(answer)) == {"horizon_actions.1.name"}


def test_a_function_that_an_action_needs_is_not_removed(signed_in: ApiClient) -> None:
    made = make(signed_in, assistant_functions=[FUNCTION], horizon_actions=[ACTION])
    answer = signed_in.put(path_of(made), {"assistant_functions": []})
    assert set(reasons(answer)) == {"horizon_actions.0.name"}
    both: dict[str, Any] = {"assistant_functions": [], "horizon_actions": []}
    assert signed_in.put(path_of(made), both).json["data"]["version"] == 2


def test_a_whole_definition_has_a_size(signed_in: ApiClient) -> None:
    assert post(signed_in, instructions="x" * 200_000).status_code == 201
    found = reasons(post(signed_in, instructions="ñ" * 140_000))
    assert "256 kB" in found["instructions"][0]


def test_the_time_that_schemas_take_is_limited(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "MOST_MEMBERS", 20)
    functions = [{**FUNCTION, "name": f"f{number}"} for number in range(4)]
    assert set(reasons(post(signed_in, assistant_functions=functions))) == {"assistant_functions"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "properties", "required", "items", "$ref", "$id", "anyOf"])
            | st.sampled_from(["additionalProperties", "const", "enum", "pattern", "{a}", "x"]),
            inner | st.sampled_from(["object", "string", "#/$defs/a", "("]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON, JSON, st.booleans())
def test_no_json_makes_the_checks_fail(parameters: Any, template: Any, is_strict: bool) -> None:
    """They accept, or say what is wrong."""
    schema = {**parameters, "type": "object"} if isinstance(parameters, dict) else {}
    body_template = template if isinstance(template, dict) else {}
    definition = Definition(
        "gpt-6-luna",
        tools=(Tool("a", "", schema, is_strict),),
        actions=(Action("a", "POST", "/{x}", {}, body_template),),
    )
    with suppress(InvalidInput):
        checks.check_definition(definition)
