"""Functions that a request offers: their form, their strict schemas, and the choice among them."""

import re
from collections.abc import Iterator
from typing import Any, Final

from simulator.openai.checks import Body
from simulator.openai.errors import ApiError, bad_request, missing, wrong_type, wrong_value
from simulator.openai.prompt import Choice, Tool

_NAME: Final = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_MODES: Final = ("none", "auto", "required")
_OBJECT: Final[dict[str, Any]] = {"type": "object", "properties": {}}


def read_tools(body: Body, *, nested: bool) -> tuple[Tool, ...]:
    """Return the functions. `nested` is the form of Chat Completions: {"function": {…}}."""
    tools = body.get("tools")
    if tools is None:
        return ()
    if not isinstance(tools, list):
        raise wrong_type("tools", "an array of objects", tools)
    return tuple(_read_tool(tool, f"tools[{i}]", nested=nested) for i, tool in enumerate(tools))


def _read_tool(tool: Any, param: str, *, nested: bool) -> Tool:
    if not isinstance(tool, dict):
        raise wrong_type(param, "an object", tool)
    kind = tool.get("type")
    if kind is None:
        raise missing(f"{param}.type")
    if kind != "function":
        raise wrong_value(f"{param}.type", kind, ("function",))
    if nested:
        param, tool = f"{param}.function", tool.get("function")
        if not isinstance(tool, dict):
            raise missing(param)
    name = tool.get("name")
    if name is None:
        raise missing(f"{param}.name")
    if not isinstance(name, str) or not _NAME.match(name):
        message = (
            f"Invalid '{param}.name': string does not match pattern. "
            "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
        )
        raise bad_request(message, "invalid_value", f"{param}.name")
    schema = tool.get("parameters") or _OBJECT
    _check_schema(name, schema, f"{param}.parameters", strict=tool.get("strict") is True)
    return Tool(name, str(tool.get("description") or ""), schema)


def _check_schema(name: str, schema: Any, param: str, *, strict: bool) -> None:
    if not isinstance(schema, dict) or schema.get("type") != "object":
        kind = schema.get("type") if isinstance(schema, dict) else None
        reason = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
        raise _invalid_schema(name, reason, param)
    if not strict:
        return
    for context, part in _objects(schema, ()):
        if part.get("additionalProperties") is not False:
            reason = "'additionalProperties' is required to be supplied and to be false."
            raise _invalid_schema(name, f"In context={context!r}, {reason}", param)
        left_out = sorted(set(part.get("properties", {})) - set(part.get("required") or ()))
        if left_out:
            reason = (
                "'required' is required to be supplied and to be an array including every key in "
                f"properties. Missing '{left_out[0]}'."
            )
            raise _invalid_schema(name, f"In context={context!r}, {reason}", param)


def _invalid_schema(name: str, reason: str, param: str) -> ApiError:
    message = f"Invalid schema for function '{name}': {reason}"
    return bad_request(message, "invalid_function_parameters", param)


def _objects(
    schema: Any, context: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Return each object of a schema, however deep, with the way to it."""
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema:
        yield context, schema
    for group in ("properties", "$defs", "definitions"):
        for name, part in (schema.get(group) or {}).items():
            yield from _objects(part, (*context, group, name))
    yield from _objects(schema.get("items"), (*context, "items"))
    for group in ("anyOf", "oneOf", "allOf"):
        for index, part in enumerate(schema.get(group) or ()):
            yield from _objects(part, (*context, group, str(index)))


def read_choice(body: Body, tools: tuple[Tool, ...], *, nested: bool) -> Choice:
    """Return which functions may or must be called. Raises ApiError for one that is not offered."""
    choice = body.get("tool_choice")
    if choice is None:
        return Choice()
    if isinstance(choice, str):
        if choice not in _MODES:
            raise wrong_value("tool_choice", choice, _MODES)
        if choice == "required" and not tools:
            raise bad_request(
                "Tool choice 'required' must be specified with 'tools' parameter.",
                None,
                "tool_choice",
            )
        return Choice(choice)
    if not isinstance(choice, dict):
        raise wrong_type("tool_choice", "one of a string or an object", choice)
    if choice.get("type") == "allowed_tools":
        allowed = choice["allowed_tools"] if nested and "allowed_tools" in choice else choice
        return _allowed(allowed, tools, nested=nested)
    name = _named(choice, "tool_choice", nested=nested)
    return Choice("required", (_offered(name, tools),))


def _allowed(choice: dict[str, Any], tools: tuple[Tool, ...], *, nested: bool) -> Choice:
    if choice.get("mode") not in ("auto", "required"):
        raise wrong_value("tool_choice.mode", choice.get("mode"), ("auto", "required"))
    listed = choice.get("tools")
    if not isinstance(listed, list):
        raise missing("tool_choice.tools")
    names = [_named(tool, "tool_choice.tools", nested=nested) for tool in listed]
    return Choice(choice["mode"], tuple(_offered(name, tools) for name in names))


def _named(choice: Any, param: str, *, nested: bool) -> str:
    if not isinstance(choice, dict) or choice.get("type") != "function":
        raise wrong_value(f"{param}.type", "", ("function", "allowed_tools"))
    holder = choice.get("function") if nested else choice
    if not isinstance(holder, dict) or not isinstance(holder.get("name"), str):
        raise missing(f"{param}.function.name" if nested else f"{param}.name")
    return str(holder["name"])


def _offered(name: str, tools: tuple[Tool, ...]) -> str:
    if all(tool.name != name for tool in tools):
        message = f"Tool choice '{name}' not found in 'tools' parameter."
        raise bad_request(message, None, "tool_choice")
    return name
