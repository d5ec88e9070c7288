"""A request holds only fields and values that the server takes, for each model and effort."""

from itertools import product
from typing import Any

import pytest

from app.ai import chat, responses
from app.ai.catalogue import catalogue
from app.ai.client import fitting
from app.ai.types import Endpoint, Question, Replied, Role, Said, Tool, ToolCall, ToolResult

OPENAI = Endpoint("https://api.openai.com/v1", "k", is_openai=True)
OTHER = Endpoint("https://llm.example.com/v1", "k")

RESPONSES_FIELDS = {
    "model",
    "instructions",
    "input",
    "max_output_tokens",
    "temperature",
    "reasoning",
    "text",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "store",
    "prompt_cache_key",
    "safety_identifier",
}
OTHERS_FIELDS = {
    "model",
    "instructions",
    "input",
    "tools",
    "tool_choice",
    "max_output_tokens",
    "temperature",
    "store",
}
LOOK_UP = Tool("look_up", "Look up an order.", {"type": "object", "properties": {}}, is_strict=True)
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def question(**fields: Any) -> Question:
    given: dict[str, Any] = {
        "model": "gpt-6-luna",
        "instructions": "Be kind.",
        "items": (Said(Role.USER, "hola"),),
        "tools": (LOOK_UP,),
        "cache_key": "tenant:bot:1",
        "person": "hash",
    }
    return Question(**{**given, **fields})


@pytest.mark.parametrize("temperature", [None, 0.0, 0.7, 2.0])
@pytest.mark.parametrize(
    ("model", "effort"), list(product([*catalogue().models, "somebody-elses"], EFFORTS))
)
def test_a_request_of_each_model_effort_and_temperature(
    model: str, effort: str, temperature: float | None
) -> None:
    asked = question(model=model, effort=effort, temperature=temperature)
    body = responses.request(fitting(OPENAI, asked), OPENAI)
    known = catalogue().find(model)
    used = body["reasoning"]["effort"]
    assert set(body) <= RESPONSES_FIELDS
    assert known is None or used in known.efforts
    assert body["store"] is False
    assert body["text"] == {"verbosity": "low"}
    takes = used == "none" and (known is None or known.takes_temperature)
    assert body.get("temperature") == (temperature if takes else None)
    assert body["max_output_tokens"] == (500 if used == "none" else 25_500)


def test_other_servers_get_only_what_all_of_them_take() -> None:
    assert set(responses.request(question(temperature=0.5), OTHER)) == OTHERS_FIELDS
    assert set(chat.request(question(temperature=0.5), OTHER)) == {
        "model",
        "messages",
        "max_tokens",
        "temperature",
        "tools",
        "tool_choice",
    }


def test_openai_takes_the_new_name_of_the_limit_in_chat() -> None:
    body = chat.request(question(), OPENAI)
    assert body["max_completion_tokens"] == 500
    assert "max_tokens" not in body
    assert body["reasoning_effort"] == "none"
    assert body["store"] is False


def test_a_strict_tool_is_called_alone() -> None:
    assert responses.request(question(), OPENAI)["parallel_tool_calls"] is False
    loose = Tool("look_up", "", {"type": "object"})
    assert "parallel_tool_calls" not in responses.request(question(tools=(loose,)), OPENAI)


def test_tools_are_flat_in_responses_and_nested_in_chat() -> None:
    flat = responses.request(question(), OPENAI)["tools"][0]
    nested = chat.request(question(), OPENAI)["tools"][0]
    assert flat["name"] == "look_up"
    assert nested["function"]["name"] == "look_up"
    assert flat["strict"] is nested["function"]["strict"] is True


def test_the_tools_stay_the_same_when_no_more_may_be_called() -> None:
    """The beginning of the request is cached by the provider, so it does not change."""
    body = responses.request(question(may_call_tools=False), OPENAI)
    assert body["tools"]
    assert body["tool_choice"] == "none"


def test_a_question_without_tools_names_none() -> None:
    body = responses.request(question(tools=()), OPENAI)
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(body)


def test_the_items_of_a_turn_in_both_dialects() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "look_up", "arguments": "{}"}
    said = (Said(Role.USER, "hola"), Said(Role.DEVELOPER, "It is noon."))
    body = responses.request(
        question(items=(*said, Replied((call,)), ToolResult("c", "sent"))), OPENAI
    )
    assert body["input"] == [
        {"role": "user", "content": "hola"},
        {"role": "developer", "content": "It is noon."},
        call,
        {"type": "function_call_output", "call_id": "c", "output": "sent"},
    ]
    earlier = (ToolCall("c", "look_up", "{}"), ToolResult("c", "sent"))
    assert responses.request(question(items=(*said, *earlier)), OPENAI)["input"] == body["input"]
    messages = chat.request(question(items=(*said, *earlier)), OTHER)["messages"]
    assert messages == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hola"},
        {"role": "system", "content": "It is noon."},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}
            ],
        },
        {"role": "tool", "tool_call_id": "c", "content": "sent"},
    ]
