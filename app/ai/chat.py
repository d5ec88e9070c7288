"""OpenAI's Chat Completions API, for servers that have no Responses API."""

from typing import Any

from app.ai import options
from app.ai.catalogue import Usage
from app.ai.types import (
    Endpoint,
    Item,
    Outcome,
    Question,
    Replied,
    Reply,
    Role,
    Said,
    ToolCall,
    ToolResult,
)

OUTCOMES = {"length": Outcome.CUT, "content_filter": Outcome.FILTERED}


def request(question: Question, endpoint: Endpoint) -> dict[str, Any]:
    """Return the body of POST /chat/completions.

    OpenAI takes the limit as `max_completion_tokens`; other servers know `max_tokens`.
    """
    messages = [{"role": "system", "content": question.instructions}]
    messages += [message for item in question.items for message in _messages(item)]
    limit = "max_completion_tokens" if endpoint.is_openai else "max_tokens"
    tools = [{"type": "function", "function": options.function(tool)} for tool in question.tools]
    body = options.shared(question, endpoint, tools) | {
        "messages": messages,
        limit: options.most_tokens(question),
    }
    if endpoint.is_openai:
        body |= {"reasoning_effort": question.effort, "verbosity": "low", "store": False}
    return body


def _messages(item: Item) -> list[dict[str, Any]]:
    match item:
        case Said(role, text):
            return [{"role": "system" if role == Role.DEVELOPER else str(role), "content": text}]
        case ToolResult(call_id, text):
            return [{"role": "tool", "tool_call_id": call_id, "content": text}]
        case ToolCall(call_id, name, arguments):
            function = {"name": name, "arguments": arguments}
            call = {"id": call_id, "type": "function", "function": function}
            return [{"role": "assistant", "content": None, "tool_calls": [call]}]
        case Replied(items):
            return list(items)


def read(answer: Any, request_id: str) -> Reply:
    """Read a ChatCompletion of OpenAI's library."""
    choice = answer.choices[0] if answer.choices else None
    if choice is None:
        return Reply("", None, (), Outcome.FAILED, _usage(answer.usage), (), error="no_choices")
    message = choice.message
    calls = tuple(
        ToolCall(each.id, each.function.name, each.function.arguments or "")
        for each in message.tool_calls or ()
        if each.type == "function"
    )
    outcome = OUTCOMES.get(choice.finish_reason, Outcome.COMPLETE)
    return Reply(
        text=(message.content or "").strip(),
        refusal=message.refusal,
        tool_calls=calls,
        outcome=outcome,
        usage=_usage(answer.usage),
        items=(
            message.model_dump(
                mode="json", exclude_none=True, exclude={"annotations"}, warnings=False
            ),
        ),
        response_id=answer.id or "",
        request_id=request_id,
        error="" if outcome is Outcome.COMPLETE else choice.finish_reason,
    )


def _usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    cached = getattr(usage.prompt_tokens_details, "cached_tokens", 0) or 0
    written = getattr(usage.prompt_tokens_details, "cache_write_tokens", 0) or 0
    reasoning = getattr(usage.completion_tokens_details, "reasoning_tokens", 0) or 0
    return Usage(
        input=usage.prompt_tokens or 0,
        cached=cached,
        cache_written=written,
        output=usage.completion_tokens or 0,
        reasoning=reasoning,
    )
