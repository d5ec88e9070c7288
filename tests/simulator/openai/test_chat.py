"""Chat Completions as the official client sees them."""

import json
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from tests.simulator.harness import Simulator
from tests.simulator.openai.asking import GET_ORDER, KEY, MODEL, Script, nested

TOOLS = [nested(GET_ORDER)]


def chat(client: OpenAI, question: Any = "hello", /, **values: Any) -> ChatCompletion:
    messages = [{"role": "user", "content": question}] if isinstance(question, str) else question
    values = {"model": MODEL, "reasoning_effort": "none", "messages": messages, **values}
    completion: ChatCompletion = client.chat.completions.create(**values)
    return completion


def test_a_text_is_answered(ai: OpenAI) -> None:
    completion = chat(ai, "¡Hola!")
    (choice,) = completion.choices
    assert choice.finish_reason == "stop"
    assert choice.message.content == "¡Hola! Soy el modelo del simulador. ¿En qué puedo ayudarte?"
    assert completion.system_fingerprint == "fp_simulator"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens == 2
    assert completion.usage.prompt_tokens_details is not None
    assert completion.usage.prompt_tokens_details.cached_tokens == 0


def test_a_tool_loop(ai: OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "Where is my order 1042?"}]
    choice = chat(ai, messages, tools=TOOLS).choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert json.loads(call.function.arguments) == {"order_number": "1042"}
    messages.append(choice.message.model_dump(exclude_none=True))
    with pytest.raises(openai.BadRequestError, match="must be followed by tool messages"):
        chat(ai, messages, tools=TOOLS)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": '{"status": "shipped"}'})
    answer = chat(ai, messages, tools=TOOLS).choices[0].message.content
    assert answer == "This is what I found: status shipped."


def test_refusal_incomplete_and_failed(ai: OpenAI, script: Script) -> None:
    script(
        {"do": "refusal", "text": "I cannot.", "next": 1},
        {"do": "incomplete", "text": "Well", "next": 1},
        {"do": "incomplete", "reason": "content_filter", "next": 1},
        {"do": "failed", "next": 1},
        {"do": "text", "text": "Done.", "commentary": "Let me check.", "usage": None},
    )
    refused = chat(ai).choices[0].message
    assert (refused.refusal, refused.content) == ("I cannot.", None)
    assert chat(ai).choices[0].finish_reason == "length"
    assert chat(ai).choices[0].finish_reason == "content_filter"
    with pytest.raises(openai.InternalServerError):
        chat(ai)
    last = chat(ai)
    assert (last.choices[0].message.content, last.usage) == ("Let me check.\nDone.", None)


def test_reasoning_counts_towards_the_greatest_output(ai: OpenAI) -> None:
    completion = chat(ai, reasoning_effort="high", max_completion_tokens=50)
    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.content is None
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 50


@pytest.mark.parametrize(
    ("values", "code", "param"),
    [
        ({"max_tokens": 5}, "unsupported_parameter", "max_tokens"),
        ({"n": 2}, "unsupported_value", "n"),
        ({"stream": True}, "unsupported_value", "stream"),
        ({"temperature": 3}, "decimal_above_max_value", "temperature"),
        (
            {"temperature": 0.8, "reasoning_effort": "low"},
            *("unsupported_value", "temperature"),
        ),
        ({"logprobs": True, "reasoning_effort": "low"}, "unsupported_parameter", "logprobs"),
        ({"reasoning_effort": "minimal"}, "unsupported_value", "reasoning_effort"),
        ({"tools": TOOLS, "reasoning_effort": "low"}, "unsupported_value", "reasoning_effort"),
        ({"tools": TOOLS, "reasoning_effort": None}, "unsupported_value", "reasoning_effort"),
        ({"tools": [GET_ORDER]}, "missing_required_parameter", "tools[0].function"),
        ({"extra_body": {"input": "x"}}, "unknown_parameter", "input"),
        ({"messages": []}, "empty_array", "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "invalid_value", "messages.[0].role"),
        (
            {"messages": [{"role": "tool", "content": "x", "tool_call_id": "c"}]},
            *(None, "messages.[0].role"),
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_text", "text": "x"}]}]},
            *("invalid_value", "messages.[0].content[0].type"),
        ),
    ],
)
def test_what_is_refused(ai: OpenAI, values: Any, code: str | None, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        chat(ai, **values)
    assert (refused.value.code, refused.value.param) == (code, param)


def test_a_wrong_strict_tool_is_refused(ai: OpenAI) -> None:
    schema = {**GET_ORDER["parameters"], "additionalProperties": True}
    with pytest.raises(openai.BadRequestError) as refused:
        chat(ai, tools=[nested({**GET_ORDER, "parameters": schema})])
    assert refused.value.code == "invalid_function_parameters"
    assert refused.value.param == "tools[0].function.parameters"


def test_older_models_take_max_tokens(ai: OpenAI, simulator: Simulator) -> None:
    simulator.control("PUT", "/openai/today", {"today": "2026-11-26"})
    older: Any = {"model": "gpt-4o-mini", "reasoning_effort": None, "max_tokens": 5}
    completion = chat(ai, "hello", **older)
    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.content == "Hello! I am the simu"


def test_a_model_that_reasons_calls_functions_here_if_it_may(ai: OpenAI) -> None:
    values: Any = {"model": "gpt-5.6-luna", "reasoning_effort": "low", "tools": TOOLS}
    assert chat(ai, "order 1042", **values).choices[0].finish_reason == "tool_calls"


class Answer(BaseModel):
    text: str


def test_parsed_answers(ai: OpenAI, script: Script) -> None:
    asked: Any = {
        "model": MODEL,
        "reasoning_effort": "none",
        "messages": [{"role": "user", "content": "hello"}],
        "response_format": Answer,
    }
    parsed = ai.chat.completions.parse(**asked).choices[0].message.parsed
    assert parsed is not None
    assert parsed.text.startswith("Hello!")
    script({"do": "incomplete", "next": 1}, {"do": "incomplete", "reason": "content_filter"})
    with pytest.raises(openai.LengthFinishReasonError):
        ai.chat.completions.parse(**asked)
    with pytest.raises(openai.ContentFilterFinishReasonError):
        ai.chat.completions.parse(**asked)


def test_a_server_without_the_responses_api(
    ai: OpenAI, script: Script, simulator: Simulator
) -> None:
    script({"do": "error", "status": 404, "endpoint": "responses"})
    with pytest.raises(openai.NotFoundError):
        ai.responses.create(model=MODEL, input="x")
    assert chat(ai).choices[0].finish_reason == "stop"
    log = simulator.control("GET", f"/openai/log?key={KEY}&endpoint=chat")["items"]
    assert [entry["endpoint"] for entry in log] == ["chat"]
