"""The input of the Responses API: a text, or a list of items that refer to each other."""

import re
from collections.abc import Callable
from typing import Any, Final

from simulator.openai.errors import bad_request, missing, unknown, wrong_type, wrong_value
from simulator.openai.prompt import Turn

Item = dict[str, Any]

_ROLES: Final = ("assistant", "system", "developer", "user")
_PHASES: Final = ("commentary", "final_answer")
_FIELDS: Final = {
    "message": {"type", "role", "content", "id", "status", "phase"},
    "function_call": {
        *("type", "id", "call_id", "name", "arguments", "status", "namespace", "caller", "async"),
    },
    "function_call_output": {"type", "id", "call_id", "output", "status", "caller"},
    "reasoning": {"type", "id", "summary", "content", "encrypted_content", "status"},
}
_INPUT_PARTS: Final = ("input_text", "input_image", "input_file")
_OUTPUT_PARTS: Final = ("output_text", "refusal")
_IMAGE: Final = re.compile(r"^(https?://|data:image/(png|jpeg|webp|gif);base64,[A-Za-z0-9+/=\s]+$)")


def read_items(value: Any) -> tuple[Turn, ...]:
    """Return the turns of `input`. Raises ApiError for an item that the vendor does not take."""
    if isinstance(value, str):
        return (Turn("message", value),)
    if not isinstance(value, list):
        raise wrong_type("input", "one of an array of objects or string", value)
    turns = [_read_item(item, f"input[{index}]") for index, item in enumerate(value)]
    _check_pairs(value)
    return tuple(turn for turn in turns if turn is not None)


def _read_item(item: Any, param: str) -> Turn | None:
    if not isinstance(item, dict):
        raise wrong_type(param, "an object", item)
    kind = item.get("type") or ("message" if "role" in item else None)
    if kind is None:
        raise missing(f"{param}.type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise wrong_value(f"{param}.type", kind, tuple(_READERS))
    for name in item:
        if name not in _FIELDS[kind]:
            raise unknown(f"{param}.{name}")
    return reader(item, param)


def _message(item: Item, param: str) -> Turn:
    role, phase = item.get("role"), item.get("phase")
    if role not in _ROLES:
        raise wrong_value(f"{param}.role", role, _ROLES)
    if phase is not None and phase not in _PHASES:
        raise wrong_value(f"{param}.phase", phase, _PHASES)
    if item.get("content") is None:
        raise missing(f"{param}.content")
    allowed = _OUTPUT_PARTS if role == "assistant" else _INPUT_PARTS
    text, images = _content(item["content"], f"{param}.content", allowed)
    return Turn("message", text, role=role, phase=phase, images=images)


def _content(content: Any, param: str, allowed: tuple[str, ...]) -> tuple[str, int]:
    """Return the text of a content, and how many pictures it has."""
    if isinstance(content, str):
        return content, 0
    if not isinstance(content, list):
        raise wrong_type(param, "one of an array of objects or string", content)
    texts, images = [], 0
    for index, part in enumerate(content):
        where = f"{param}[{index}]"
        if not isinstance(part, dict):
            raise wrong_type(where, "an object", part)
        kind = part.get("type")
        if kind not in allowed:
            raise wrong_value(where, kind, allowed)
        if kind == "input_image":
            _check_image(part, where)
            images += 1
        elif kind == "input_file":
            if not any(part.get(name) for name in ("file_data", "file_id", "file_url")):
                raise missing(f"{where}.file_id")
            texts.append(f"[file {part.get('filename') or ''}]")
        else:
            texts.append(_text(part, "refusal" if kind == "refusal" else "text", where))
    return "\n".join(texts), images


def _check_image(part: Item, param: str) -> None:
    url = part.get("image_url")
    if url is None and part.get("file_id"):
        return
    if not isinstance(url, str) or not _IMAGE.match(url):
        message = (
            f"Invalid '{param}.image_url'. Expected a valid URL or a base64-encoded data URL "
            "with an image MIME type."
        )
        raise bad_request(message, "invalid_value", f"{param}.image_url")


def _text(holder: Item, name: str, param: str) -> str:
    value = holder.get(name)
    if value is None:
        raise missing(f"{param}.{name}")
    if not isinstance(value, str):
        raise wrong_type(f"{param}.{name}", "a string", value)
    return value


def _function_call(item: Item, param: str) -> Turn:
    call_id = _text(item, "call_id", param)
    name, arguments = _text(item, "name", param), _text(item, "arguments", param)
    return Turn("call", arguments, role="assistant", name=name, call_id=call_id)


def _function_call_output(item: Item, param: str) -> Turn:
    call_id = _text(item, "call_id", param)
    if item.get("output") is None:
        raise missing(f"{param}.output")
    text, images = _content(item["output"], f"{param}.output", _INPUT_PARTS)
    return Turn("result", text, role="tool", call_id=call_id, images=images)


def _reasoning(item: Item, param: str) -> None:
    """Reasoning has no text for the simulator; `state` judges whether it is ours."""
    _text(item, "id", param)
    if not isinstance(item.get("summary"), list):
        raise missing(f"{param}.summary")


_READERS: Final[dict[str, Callable[[Item, str], Turn | None]]] = {
    "message": _message,
    "function_call": _function_call,
    "function_call_output": _function_call_output,
    "reasoning": _reasoning,
}


def _check_pairs(items: list[Item]) -> None:
    """Each output has its call before it, and each call its output."""
    open_calls: list[str] = []
    known: set[str] = set()
    for item in items:
        if item.get("type") == "function_call":
            open_calls.append(item["call_id"])
            known.add(item["call_id"])
        elif item.get("type") == "function_call_output":
            if item["call_id"] not in known:
                message = (
                    f"No tool call found for function call output with call_id {item['call_id']}."
                )
                raise bad_request(message, None, "input")
            open_calls = [call_id for call_id in open_calls if call_id != item["call_id"]]
    if open_calls:
        message = f"No tool output found for function call {open_calls[0]}."
        raise bad_request(message, None, "input")
