"""OpenAI's Responses API: how a question is put, and how its answer is read."""

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
    Said,
    ToolCall,
    ToolResult,
)

FINAL = (None, "final_answer")
"""The phases of a message that are the answer; a commentary is not."""


def request(question: Question, endpoint: Endpoint) -> dict[str, Any]:
    """Return the body of POST /responses. The server keeps nothing (`store`): the history is
    ours."""
    tools = [{"type": "function", **options.function(tool)} for tool in question.tools]
    body = options.shared(question, endpoint, tools) | {
        "instructions": question.instructions,
        "input": [part for item in question.items for part in _input(item)],
        "max_output_tokens": options.most_tokens(question),
        "store": False,
    }
    if endpoint.is_openai:
        body |= {"reasoning": {"effort": question.effort}, "text": {"verbosity": "low"}}
    return body


def _input(item: Item) -> list[dict[str, Any]]:
    match item:
        case Said(role, text):
            return [{"role": str(role), "content": text}]
        case ToolResult(call_id, text):
            return [{"type": "function_call_output", "call_id": call_id, "output": text}]
        case ToolCall(call_id, name, arguments):
            call = {"call_id": call_id, "name": name, "arguments": arguments}
            return [{"type": "function_call", **call}]
        case Replied(items):
            return list(items)


def read(answer: Any, request_id: str) -> Reply:
    """Read a Response of OpenAI's library."""
    texts, refusal, calls = [], None, []
    for item in answer.output or ():
        if item.type == "function_call":
            calls.append(ToolCall(item.call_id, item.name, item.arguments or ""))
        elif item.type == "message" and getattr(item, "phase", None) in FINAL:
            for part in item.content or ():
                if part.type == "output_text":
                    texts.append(part.text or "")
                elif part.type == "refusal":
                    refusal = part.refusal
    outcome, error = _outcome(answer)
    return Reply(
        text="".join(texts).strip(),
        refusal=refusal,
        tool_calls=tuple(calls),
        outcome=outcome,
        usage=_usage(answer.usage),
        items=tuple(_as_input(item) for item in answer.output or ()),
        response_id=answer.id or "",
        request_id=request_id,
        error=error,
    )


def _outcome(answer: Any) -> tuple[Outcome, str]:
    if answer.status == "incomplete":
        reason = getattr(answer.incomplete_details, "reason", None) or "unknown"
        return (Outcome.FILTERED if reason == "content_filter" else Outcome.CUT), reason
    if answer.status in (None, "completed"):
        return Outcome.COMPLETE, ""
    return Outcome.FAILED, getattr(answer.error, "code", None) or str(answer.status)


def _usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    cached, spent = usage.input_tokens_details, usage.output_tokens_details
    return Usage(
        input=usage.input_tokens or 0,
        cached=getattr(cached, "cached_tokens", 0) or 0,
        cache_written=getattr(cached, "cache_write_tokens", 0) or 0,
        output=usage.output_tokens or 0,
        reasoning=getattr(spent, "reasoning_tokens", 0) or 0,
    )


def _as_input(item: Any) -> dict[str, Any]:
    """Return an item of the answer as the next request repeats it, its reasoning included.

    `status` is only for reading on some items, and servers without state need no ids. A warning
    about a part of another type would bring the conversation into the log.
    """
    found: dict[str, Any] = item.model_dump(
        mode="json", exclude_unset=True, exclude={"status"}, warnings=False
    )
    return found
