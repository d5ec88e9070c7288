"""The messages of Chat Completions, whose tool calls and results must follow each other."""

from collections.abc import Callable
from typing import Any, Final

from simulator.openai.errors import bad_request, missing, wrong_type, wrong_value
from simulator.openai.prompt import Turn

Message = dict[str, Any]

_ROLES: Final = ("system", "assistant", "user", "tool", "developer")
_PARTS: Final = {
    "user": ("text", "image_url", "file", "input_audio"),
    "assistant": ("text", "refusal"),
}


def read_messages(value: Any) -> tuple[Turn, ...]:
    """Return the turns of `messages`. Raises ApiError for messages that the vendor refuses."""
    if value is None:
        raise missing("messages")
    if not isinstance(value, list):
        raise wrong_type("messages", "an array of objects", value)
    if not value:
        message = "Invalid 'messages': empty array. Expected an array with minimum length 1."
        raise bad_request(message, "empty_array", "messages")
    turns: list[Turn] = []
    waiting: list[str] = []
    for index, message in enumerate(value):
        param = f"messages.[{index}]"
        if not isinstance(message, dict):
            raise wrong_type(param, "an object", message)
        role = message.get("role")
        if role not in _ROLES:
            raise wrong_value(f"{param}.role", role, _ROLES)
        if role != "tool" and waiting:
            raise _unanswered(waiting)
        read = _READERS.get(role, _plain)(message, param)
        waiting = _still_waiting(waiting, read, param)
        turns.extend(read)
    if waiting:
        raise _unanswered(waiting)
    return tuple(turns)


def _still_waiting(waiting: list[str], read: list[Turn], param: str) -> list[str]:
    """Return the calls without a result, after these turns."""
    if read and read[0].kind == "result":
        if read[0].call_id not in waiting:
            message = (
                "Invalid parameter: messages with role 'tool' must be a response to a preceding "
                "message with 'tool_calls'."
            )
            raise bad_request(message, None, f"{param}.role")
        return [call_id for call_id in waiting if call_id != read[0].call_id]
    return [turn.call_id for turn in read if turn.kind == "call"]


def _unanswered(waiting: list[str]) -> Exception:
    message = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to "
        "each 'tool_call_id'. The following tool_call_ids did not have response messages: "
        f"{', '.join(waiting)}"
    )
    return bad_request(message, None, "messages")


def _plain(message: Message, param: str) -> list[Turn]:
    role = message["role"]
    if message.get("content") is None:
        raise missing(f"{param}.content")
    text, images = _content(message["content"], f"{param}.content", _PARTS.get(role, ("text",)))
    return [Turn("message", text, role=role, images=images)]


def _assistant(message: Message, param: str) -> list[Turn]:
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise wrong_type(f"{param}.tool_calls", "an array of objects", calls)
    turns = [] if message.get("content") is None and calls else _plain(message, param)
    if turns and calls:
        # What stands beside a call is not the answer.
        turns = [Turn("message", turns[0].text, role="assistant", phase="commentary")]
    return turns + [_call(call, f"{param}.tool_calls[{index}]") for index, call in enumerate(calls)]


def _call(call: Any, param: str) -> Turn:
    if not isinstance(call, dict) or not isinstance(call.get("function"), dict):
        raise missing(f"{param}.function")
    called = call["function"]
    for holder, name in ((call, "id"), (called, "name"), (called, "arguments")):
        if not isinstance(holder.get(name), str):
            raise wrong_type(f"{param}.{name}", "a string", holder.get(name))
    return Turn(
        "call",
        called["arguments"],
        role="assistant",
        name=called["name"],
        call_id=call["id"],
    )


def _tool(message: Message, param: str) -> list[Turn]:
    if message.get("tool_call_id") is None:
        raise missing(f"{param}.tool_call_id")
    (turn,) = _plain(message, param)
    return [Turn("result", turn.text, role="tool", call_id=str(message["tool_call_id"]))]


def _content(content: Any, param: str, allowed: tuple[str, ...]) -> tuple[str, int]:
    """Return the text of a content, and how many pictures it has."""
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise wrong_type(param, "one of a string or array of objects", content)
    texts, images = [], 0
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in allowed:
            raise wrong_value(f"{param}[{index}].type", kind, allowed)
        if kind == "image_url":
            images += 1
        elif kind in ("text", "refusal"):
            texts.append(str(part.get(kind, "")))
    return "\n".join(texts), images


_READERS: Final[dict[str, Callable[[Message, str], list[Turn]]]] = {
    "assistant": _assistant,
    "tool": _tool,
}
