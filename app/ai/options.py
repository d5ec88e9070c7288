"""What a question asks for besides its text, in the words that both of OpenAI's APIs share."""

from typing import Any

from app.ai.catalogue import NONE
from app.ai.types import Endpoint, Question, Tool

REASONING_ROOM = 25_000
"""Tokens that OpenAI suggests to leave for the reasoning, which counts as output; with fewer, an
answer may end before its first visible word."""


def most_tokens(question: Question) -> int:
    room = 0 if question.effort == NONE else REASONING_ROOM
    return question.max_tokens + room


def shared(question: Question, endpoint: Endpoint, tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the parts of the body that do not differ. `tools` are those of the question, in the
    form of the API. Servers other than OpenAI's get only what all of them understand."""
    body: dict[str, Any] = {"model": question.model}
    if question.temperature is not None:
        body["temperature"] = question.temperature
    if tools:
        body["tools"] = tools
        body["tool_choice"] = "auto" if question.may_call_tools else "none"
    if not endpoint.is_openai:
        return body
    if any(tool.is_strict for tool in question.tools):
        body["parallel_tool_calls"] = False
    if question.cache_key:
        body["prompt_cache_key"] = question.cache_key
    if question.person:
        body["safety_identifier"] = question.person
    return body


def function(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.is_strict,
    }
