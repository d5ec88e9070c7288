"""What the vendor refuses, in the classes of the official client."""

import json
import time
from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from simulator.demo import DEMO_MODEL_KEY
from simulator.openai.catalogue import MODELS, Model
from tests.simulator.harness import Simulator
from tests.simulator.openai.asking import GET_ORDER, KEY, MODEL, Script, ask, connect, function

TODAY = "2026-11-26"
LIVE = [
    model for model in MODELS.values() if model.kind == "text" and not str(model.shutdown) < TODAY
]
TEMPERATURES = (None, 0.2, 1, 1.5)


def refusal_of(client: OpenAI, question: Any = "hello", /, **values: Any) -> tuple[str | None, ...]:
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, question, **values)
    assert refused.value.type == "invalid_request_error"
    return refused.value.code, refused.value.param


def verdict(model: Model, effort: str | None, temperature: float | None) -> Any:
    """Return code and parameter of the refusal by the rules of the vendor's documentation."""
    if effort is not None and not model.efforts:
        return "unsupported_parameter", "reasoning.effort"
    if effort is not None and effort not in model.efforts:
        return "unsupported_value", "reasoning.effort"
    if temperature is None:
        return None
    if model.name in {"gpt-5", "gpt-5-mini", "gpt-5-nano", "o3"}:
        return "unsupported_parameter", "temperature"
    if (effort or model.default_effort) != "none" and temperature != 1:
        return "unsupported_value", "temperature"
    return None


@pytest.mark.parametrize("model", LIVE, ids=lambda model: model.name)
def test_models_efforts_and_temperatures(ai: OpenAI, simulator: Simulator, model: Model) -> None:
    simulator.control("PUT", "/openai/today", {"today": TODAY})
    for effort in (None, "none", "minimal", "low", "medium", "high", "xhigh", "max"):
        for temperature in TEMPERATURES:
            values: dict[str, Any] = {"model": model.name, "reasoning": None}
            if effort is not None:
                values["reasoning"] = {"effort": effort}
            if temperature is not None:
                values["temperature"] = temperature
            expected = verdict(model, effort, temperature)
            if expected is None:
                assert ask(ai, **values).status == "completed"
            else:
                assert refusal_of(ai, **values) == expected, values


@pytest.mark.parametrize(
    ("model", "effort", "accepted"),
    [
        ("gpt-6-luna", "none", True),
        ("gpt-6-luna", "minimal", False),
        ("gpt-6-luna", "max", True),
        ("gpt-6.1-sol", "none", False),
        ("gpt-6-astra", "none", False),
        ("gpt-5-mini", "minimal", True),
        ("gpt-5-mini", "none", False),
        ("gpt-4.1-mini", "none", False),
    ],
)
def test_known_efforts(
    ai: OpenAI, simulator: Simulator, model: str, effort: str, accepted: bool
) -> None:
    simulator.control("PUT", "/openai/today", {"today": TODAY})
    if accepted:
        assert ask(ai, model=model, reasoning={"effort": effort}).status == "completed"
    else:
        code, param = refusal_of(ai, model=model, reasoning={"effort": effort})
        assert (code or "").startswith("unsupported_")
        assert param == "reasoning.effort"


@pytest.mark.parametrize(
    ("values", "code", "param"),
    [
        ({"temperature": 2.1}, "decimal_above_max_value", "temperature"),
        ({"temperature": -0.1}, "decimal_below_min_value", "temperature"),
        ({"temperature": "warm"}, "invalid_type", "temperature"),
        ({"max_output_tokens": 15}, "integer_below_min_value", "max_output_tokens"),
        ({"truncation": "some"}, "invalid_value", "truncation"),
        ({"text": {"verbosity": "little"}}, "invalid_value", "text.verbosity"),
        ({"text": {"format": {"type": "xml"}}}, "invalid_value", "text.format.type"),
        ({"reasoning": {"effort": "extreme"}}, "invalid_value", "reasoning.effort"),
        ({"reasoning": {"efort": "low"}}, "unknown_parameter", "reasoning.efort"),
        ({"safety_identifier": "x" * 129}, "string_above_max_length", "safety_identifier"),
        ({"metadata": {"k": "v" * 513}}, "string_above_max_length", "metadata.k"),
        ({"extra_body": {"colour": 1}}, "unknown_parameter", "colour"),
        ({"extra_body": {"max_tokens": 5}}, "unsupported_parameter", "max_tokens"),
        ({"extra_body": {"messages": []}}, "unsupported_parameter", "messages"),
        ({"extra_body": {"reasoning_effort": "low"}}, "unsupported_parameter", "reasoning_effort"),
        ({"stream": True}, "unsupported_value", "stream"),
        (
            {"text": {"format": {"type": "json_schema", "name": "x", "schema": 5}}},
            *("invalid_json_schema", "text.format.schema"),
        ),
        ({"tool_choice": "required"}, None, "tool_choice"),
        ({"tools": [GET_ORDER], "tool_choice": "maybe"}, "invalid_value", "tool_choice"),
        (
            {"tools": [GET_ORDER], "tool_choice": {"type": "function", "name": "other"}},
            *(None, "tool_choice"),
        ),
    ],
)
def test_wrong_parameters(ai: OpenAI, values: Any, code: str | None, param: str) -> None:
    assert refusal_of(ai, **values) == (code, param)


def _without(tool: Any, *fields: str) -> Any:
    schema = {name: value for name, value in tool["parameters"].items() if name not in fields}
    return {**tool, "parameters": schema}


DEEP = function("deep", place={"type": "object", "properties": {"city": {"type": "string"}}})
LISTS = function(
    "lists",
    items={
        "type": "array",
        "items": {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "additionalProperties": False,
        },
    },
)


@pytest.mark.parametrize(
    ("tool", "code", "param"),
    [
        (_without(GET_ORDER, "additionalProperties"), "invalid_function_parameters", "parameters"),
        (_without(GET_ORDER, "required"), "invalid_function_parameters", "parameters"),
        (DEEP, "invalid_function_parameters", "parameters"),
        (LISTS, "invalid_function_parameters", "parameters"),
        (
            {**GET_ORDER, "parameters": {"type": "array"}},
            "invalid_function_parameters",
            "parameters",
        ),
        ({**GET_ORDER, "name": "get order"}, "invalid_value", "name"),
        ({"type": "function", "function": {"name": "x"}}, "missing_required_parameter", "name"),
        ({"type": "web_search"}, "invalid_value", "type"),
        ({"type": []}, "invalid_value", "type"),
        (function("x", a={"anyOf": None}), "invalid_function_parameters", "parameters"),
        (function("x", a={"type": 5}), "invalid_function_parameters", "parameters"),
        (function("x", a=True), "invalid_function_parameters", "parameters"),
    ],
)
def test_wrong_tools(ai: OpenAI, tool: Any, code: str, param: str) -> None:
    assert refusal_of(ai, tools=[tool]) == (code, f"tools[0].{param}")


def test_a_tool_that_is_not_strict_may_have_any_schema(ai: OpenAI) -> None:
    loose = _without(GET_ORDER, "additionalProperties", "required")
    assert ask(ai, tools=[{**loose, "strict": False}]).status == "completed"


CALL = {"type": "function_call", "call_id": "c", "name": "get_order", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "{}"}


@pytest.mark.parametrize(
    ("items", "code", "param"),
    [
        ([RESULT], None, "input"),
        ([CALL], None, "input"),
        ([RESULT, CALL], None, "input"),
        ([CALL, {**RESULT, "call_id": "d"}], None, "input"),
        ([{"role": "tool", "content": "x"}], "invalid_value", "input[0].role"),
        ([{"role": "user"}], "missing_required_parameter", "input[0].content"),
        ([{"content": "x"}], "missing_required_parameter", "input[0].type"),
        ([{"type": "thought"}], "invalid_value", "input[0].type"),
        ([{"role": "user", "content": "x", "mood": "good"}], "unknown_parameter", "input[0].mood"),
        (
            [{"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}],
            *("invalid_value", "input[0].content[0]"),
        ),
        (
            [{"role": "user", "content": [{"type": "output_text", "text": "x"}]}],
            *("invalid_value", "input[0].content[0]"),
        ),
        (
            [{"role": "user", "content": [{"type": "input_image", "image_url": "photo.png"}]}],
            *("invalid_value", "input[0].content[0].image_url"),
        ),
        ([{**CALL, "arguments": {}}, RESULT], "invalid_type", "input[0].arguments"),
        ([{"role": "assistant", "content": "x", "phase": "x"}], "invalid_value", "input[0].phase"),
        (["hello"], "invalid_type", "input[0]"),
        ([{"type": [1]}], "invalid_value", "input[0].type"),
    ],
)
def test_wrong_input(ai: OpenAI, items: Any, code: str | None, param: str) -> None:
    assert refusal_of(ai, items) == (code, param)


def test_unknown_and_shut_down_models(ai: OpenAI, simulator: Simulator) -> None:
    simulator.control("PUT", "/openai/today", {"today": "2027-01-13"})
    assert ask(ai, model="gpt-4o-mini", reasoning=None).status == "completed"
    listed = {model.id: model for model in ai.models.list()}
    assert listed["gpt-4o-mini"].shutdown_date == "2027-01-14"
    assert listed[MODEL].shutdown_date is None
    assert ai.models.retrieve("gpt-4o-mini").owned_by == "simulator"
    simulator.control("PUT", "/openai/today", {"today": "2027-01-14"})
    assert "gpt-4o-mini" not in {model.id for model in ai.models.list()}
    for name in ("gpt-4o-mini", "gpt-3.5-turbo", "gpt-99", "gpt-transcribe"):
        with pytest.raises(openai.NotFoundError) as refused:
            ask(ai, model=name, reasoning=None)
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        ai.models.retrieve("gpt-4o-mini")


def test_a_context_that_is_too_long(ai: OpenAI, simulator: Simulator) -> None:
    simulator.control("PUT", f"/openai/keys/{KEY}", {"context_tokens": 100})
    history = [{"role": "user", "content": "x" * 200}, {"role": "assistant", "content": "y" * 100}]
    question = [*history, {"role": "user", "content": "z" * 200}]
    assert refusal_of(ai, question) == ("context_length_exceeded", "input")
    response = ask(ai, question, truncation="auto")
    assert response.usage is not None
    assert response.usage.input_tokens == 75


def test_the_vendors_own_context(ai: OpenAI, simulator: Simulator) -> None:
    simulator.control("PUT", "/openai/today", {"today": TODAY})
    refused = refusal_of(ai, "x" * 512_004, model="gpt-4o", reasoning=None)
    assert refused == ("context_length_exceeded", "input")


def test_keys(simulator: Simulator, ai: OpenAI) -> None:
    with connect(simulator, DEMO_MODEL_KEY) as client:
        assert ask(client).status == "completed"
    with (
        connect(simulator, "sk-unknown-key-0123456789") as client,
        pytest.raises(openai.AuthenticationError) as unknown,
    ):
        ask(client)
    assert unknown.value.code == "invalid_api_key"
    assert "unknown-key" not in unknown.value.message
    simulator.control("PUT", f"/openai/keys/{KEY}", {"quota": False})
    with pytest.raises(openai.RateLimitError) as poor:
        ask(ai)
    assert (poor.value.code, poor.value.type) == ("insufficient_quota", "insufficient_quota")
    assert len(list(ai.models.list())) > 10
    simulator.control("PUT", f"/openai/keys/{KEY}", {"models": ["gpt-5.6-luna"]})
    with pytest.raises(openai.PermissionDeniedError) as forbidden:
        ask(ai)
    assert forbidden.value.code == "model_not_found"
    simulator.control("DELETE", f"/openai/keys/{KEY}")
    with pytest.raises(openai.AuthenticationError):
        ask(ai)


def test_without_a_key(simulator: Simulator) -> None:
    url = f"{simulator.base}/openai/v1/responses"
    answer = requests.post(url, json={}, timeout=5)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"].startswith("req_")
    headers = {"Authorization": f"Bearer {DEMO_MODEL_KEY}"}
    broken = requests.post(url, data="{", headers=headers, timeout=5)
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, None)
    missing = requests.post(url, json={"input": "x"}, headers=headers, timeout=5).json()
    assert missing["error"]["param"] == "model"
    unknown = requests.get(f"{simulator.base}/openai/v1/files", headers=headers, timeout=5)
    assert (unknown.status_code, list(unknown.json())) == (404, ["error"])
    wrong = requests.get(url, headers=headers, timeout=5)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_every_status_can_be_scripted(
    ai: OpenAI, script: Script, status: int, expected: type[openai.APIStatusError]
) -> None:
    script({"do": "error", "status": status, "code": "c", "param": "p", "message": "m"})
    with pytest.raises(expected) as failed:
        ask(ai)
    assert (failed.value.status_code, failed.value.code, failed.value.param) == (status, "c", "p")
    assert failed.value.request_id is not None


def test_a_rate_limit_is_retried_after_its_time(simulator: Simulator, script: Script) -> None:
    simulator.control("PUT", f"/openai/keys/{KEY}", {})
    script({"do": "rate_limit", "retry_after": 0.2, "next": 2})
    started = time.monotonic()
    with connect(simulator, max_retries=2) as client:
        assert ask(client).status == "completed"
    assert 0.4 <= time.monotonic() - started < 3
    log = simulator.control("GET", f"/openai/log?key={KEY}")["items"]
    assert [entry["http_status"] for entry in log] == [429, 429, 200]
    assert log[0]["code"] == "rate_limit_exceeded"
    assert log[0]["rule"] == "rate_limit"


def test_no_quota_and_500(ai: OpenAI, script: Script) -> None:
    script(
        {"do": "rate_limit", "next": 1},
        {"do": "no_quota", "next": 1},
        {"do": "fail_500", "next": 1},
    )
    with pytest.raises(openai.RateLimitError) as limited:
        ask(ai)
    assert limited.value.response.headers["x-ratelimit-remaining-requests"] == "0"
    assert "retry-after" not in limited.value.response.headers
    with pytest.raises(openai.RateLimitError) as poor:
        ask(ai)
    assert poor.value.code == "insufficient_quota"
    with pytest.raises(openai.InternalServerError):
        ask(ai)
    assert ask(ai).status == "completed"


def test_hang_cut_slow_and_malformed(simulator: Simulator, ai: OpenAI, script: Script) -> None:
    script(
        {"do": "hang", "seconds": 1, "next": 1},
        {"do": "cut", "next": 1},
        {"do": "text", "text": "late", "seconds": 0.3, "next": 1},
        {"do": "malformed", "next": 1},
    )
    with connect(simulator, timeout=0.2) as impatient, pytest.raises(openai.APITimeoutError):
        ask(impatient)
    with pytest.raises(openai.APIConnectionError):
        ask(ai)
    started = time.monotonic()
    assert ask(ai).output_text == "late"
    assert time.monotonic() - started >= 0.3
    with pytest.raises(json.JSONDecodeError):  # The official client does not wrap it.
        ask(ai)
    log = simulator.control("GET", "/openai/log")["items"]
    assert [entry["outcome"] for entry in log] == ["hang", "cut", "answered", "answered"]
