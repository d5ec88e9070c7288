"""Functions that a request offers: their form, their strict schemas, and the choice among them."""

import re
from typing import Any, Final

from simulator.openai.checks import Body
from simulator.openai.errors import bad_request, missing, wrong_type, wrong_value
from simulator.openai.prompt import Choice, Tool
from simulator.openai.schemas import read_parameters

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
    schema = read_parameters(
        name,
        tool.get("parameters") or _OBJECT,
        f"{param}.parameters",
        strict=tool.get("strict") is True,
    )
    return Tool(name, str(tool.get("description") or ""), schema)


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
        return _allowed(choice.get("allowed_tools") if nested else choice, tools, nested=nested)
    name = _named(choice, "tool_choice", nested=nested)
    return Choice("required", (_offered(name, tools),))


def _allowed(choice: Any, tools: tuple[Tool, ...], *, nested: bool) -> Choice:
    if not isinstance(choice, dict):
        raise missing("tool_choice.allowed_tools")
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
