"""What a tool, an action and a whole definition must keep to. Functions that end in `_problem`
return a sentence for the person who wrote the value, or None."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from app.ai.types import Tool
from app.bots.definition import Action, Definition, Escalation, EscalationKind, Json, to_json
from app.common.egress import check_url
from app.common.phone import parse_phone
from app.common.wording import normalise
from app.errors import InvalidInput

MOST_TOOLS = 100
LARGEST_DEFINITION = 256 * 1024
LARGEST_OBJECT = 16 * 1024
DEEPEST_OBJECT = 20
"""Levels of objects and arrays; a property of a JSON schema takes two."""

MOST_MEMBERS = 5_000
"""Members and items in the parameters of all tools; their check takes 0.07 ms each."""

LONGEST_DESCRIPTION = 4_000
"""Characters of a function's description."""

LONGEST_REASON = 200
CONTACT_FIELDS = frozenset({"contact.phone", "contact.id"})
"""Placeholders that the service fills in: a model must not choose whose data it asks for."""

BRACES = frozenset("{}")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|\{[^{}]*\})*)+")
LOCAL_REFERENCE = re.compile(r"#/(?:\$defs|definitions)/[^#?]+")
CHANGES_REFERENCES = ("$id", "$dynamicRef", "$dynamicAnchor", "$anchor")

EMAIL = re.compile(r"[^\s@<>]{1,64}@[^\s@<>]+\.[^\s@<>.]+")

Problems = dict[str, list[str]]


def object_problem(value: Json) -> str | None:
    """Check that an object can be stored: its numbers, its size and its depth."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    except ValueError:
        return "Every number must be finite."
    if len(text.encode()) > LARGEST_OBJECT:
        return f"At most {LARGEST_OBJECT // 1024} kB as JSON."
    if depth_of(value) > DEEPEST_OBJECT:
        return f"Nested more than {DEEPEST_OBJECT} levels deep."
    return None


def query_problem(query: Json) -> str | None:
    """Check that each parameter of a query is one value."""
    if not all(isinstance(value, str | int | float) for value in query.values()):
        return "Each value must be a text, a number, true or false."
    return object_problem(query)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


def schema_problem(parameters: Json) -> str | None:
    """Check that these are a JSON schema of an object, which refers to nothing outside itself."""
    if parameters.get("type") != "object":
        return 'Must be a JSON schema of an object: {"type": "object", "properties": {…}}.'
    try:
        Draft202012Validator.check_schema(parameters)
    except SchemaError as error:
        where = ".".join(str(part) for part in error.absolute_path) or "the schema"
        return f"Not a JSON schema: {where}: {error.message[:LONGEST_REASON]}."
    for name, value in _members(parameters):
        if name in CHANGES_REFERENCES and isinstance(value, str):
            return f"{name} is not supported."
        if name == "$ref" and isinstance(value, str) and not LOCAL_REFERENCE.fullmatch(value):
            return "A $ref must point into the same schema: #/$defs/… ."
    return None


def strict_problem(parameters: Json) -> str | None:
    """Check what the model's server demands of a strict tool, for every object in the schema."""
    for schema in _objects(parameters):
        if schema.get("additionalProperties") is not False:
            return 'A strict tool needs "additionalProperties": false in every object.'
        required = schema.get("required", [])
        if any(name not in required for name in schema.get("properties", {})):
            return "A strict tool must list every property in `required`."
    return None


def _objects(value: Any) -> Iterator[Json]:
    """Yield the schemas of objects. A constant may only look like one, so forms are checked."""
    if isinstance(value, dict):
        properties, required = value.get("properties", {}), value.get("required", [])
        well_formed = isinstance(properties, dict) and isinstance(required, list)
        if value.get("type") == "object" and well_formed:
            yield value
        for inner in value.values():
            yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


def _members(value: Any) -> Iterator[tuple[str | None, Any]]:
    """Yield every member of every object in a JSON value, and every item of its arrays."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name, inner
            yield from _members(inner)
    elif isinstance(value, list):
        for inner in value:
            yield None, inner
            yield from _members(inner)


def path_problem(path: str) -> str | None:
    """Check that a path stays at the base URL of the actions."""
    if not path.startswith("/"):
        return "Must begin with /. The host belongs in actions.base_url."
    if not PATH.fullmatch(path):
        return (
            "Only unescaped characters of a path and placeholders such as {order_id}. "
            "Parameters belong in `query`."
        )
    segments = path[1:].split("/")
    if "" in segments[:-1] or {".", ".."} & set(segments):
        return "Must contain no empty segment, no '.' and no '..'."
    return None


def escalation_problem(escalation: Escalation) -> str | None:
    """Check that a customer can reach a person by it."""
    kind, value = escalation.kind, escalation.value
    if kind is EscalationKind.PEOPLE:
        return "Must be empty: your own people answer in the chat." if value else None
    if kind is EscalationKind.EMAIL:
        return None if EMAIL.fullmatch(value) else "Must be an e-mail address."
    try:
        parse_phone(value) if kind is EscalationKind.PHONE else check_url(value)
    except ValueError as error:
        return str(error)
    return None


def keywords_problem(keywords: Iterable[str]) -> str | None:
    """Check that a message can hold each keyword."""
    bad = next((keyword for keyword in keywords if not normalise(keyword)), None)
    return None if bad is None else f"{bad!r} holds no letter and no digit."


def check_definition(definition: Definition) -> None:
    """Check the size of the whole, the tools, and that each action fits its tool.

    Texts and numbers were checked before. Raises InvalidInput.
    """
    problems = _size_problems(definition) or _tool_problems(definition)
    problems = problems or _action_problems(definition)
    if problems:
        raise InvalidInput(problems)


def _size_problems(definition: Definition) -> Problems:
    """These come first: they limit the time that the other checks take."""
    size = len(json.dumps(to_json(definition), ensure_ascii=False).encode())
    if size > LARGEST_DEFINITION:
        reason = f"All together, a definition has at most {LARGEST_DEFINITION // 1024} kB as JSON."
        return {"instructions": [reason]}
    members = sum(1 for tool in definition.tools for _ in _members(tool.parameters))
    if members > MOST_MEMBERS:
        reason = f"All parameters together have at most {MOST_MEMBERS} members in JSON."
        return {"assistant_functions": [reason]}
    return {}


def _tool_problems(definition: Definition) -> Problems:
    problems: Problems = {}
    for place in repeated(tool.name for tool in definition.tools):
        reason = f"Another function is called {definition.tools[place].name}."
        problems[f"assistant_functions.{place}.name"] = [reason]
    for place, tool in enumerate(definition.tools):
        if problem := _parameters_problem(tool):
            problems[f"assistant_functions.{place}.parameters"] = [problem]
    return problems


def _parameters_problem(tool: Tool) -> str | None:
    if problem := schema_problem(tool.parameters):
        return problem
    if CONTACT_FIELDS & set(tool.parameters.get("properties", {})):
        return "contact.phone and contact.id are filled in for you: rename this property."
    return strict_problem(tool.parameters) if tool.is_strict else None


def _action_problems(definition: Definition) -> Problems:
    problems: Problems = {}
    tools = {tool.name: tool for tool in definition.tools}
    for place in repeated(action.name for action in definition.actions):
        reason = f"{definition.actions[place].name} has another action."
        problems[f"horizon_actions.{place}.name"] = [reason]
    for place, action in enumerate(definition.actions):
        tool = tools.get(action.name)
        if tool is None:
            reason = f"There is no function {action.name} in assistant_functions."
            problems[f"horizon_actions.{place}.name"] = [reason]
            continue
        for part, problem in _template_problems(action, tool):
            problems[f"horizon_actions.{place}.{part}"] = [problem]
    return problems


def _template_problems(action: Action, tool: Tool) -> Iterator[tuple[str, str]]:
    """Yield (part of the action, reason) for each part with a placeholder that nothing fills."""
    of_tool = frozenset(tool.parameters.get("properties", {}))
    parts = ("path", "query", "body", "confirmation")
    for part, value in ((part, getattr(action, part)) for part in parts):
        known = of_tool if part == "confirmation" else of_tool | CONTACT_FIELDS
        if any(set(name or "") & BRACES for name, _ in _members(value)):
            yield part, "A name cannot hold a placeholder, only a value can."
        for text in _texts(value):
            unknown = [name for name in PLACEHOLDER.findall(text) if name not in known]
            if unknown:
                name = f"{{{unknown[0][:64]}}}"
                yield part, f"{name} is neither a parameter of {tool.name} nor a contact's."
            elif set(PLACEHOLDER.sub("", text)) & BRACES:
                yield part, "A brace must belong to a placeholder such as {order_id}."


def _texts(template: Any) -> Iterator[str]:
    """Yield the texts in a template, without the names of its members."""
    if isinstance(template, str):
        yield template
    for _, value in _members(template):
        if isinstance(value, str):
            yield value


def repeated(names: Iterable[str]) -> list[int]:
    """Return the places of the names that stand there a second time."""
    seen: set[str] = set()
    places = []
    for place, name in enumerate(names):
        if name in seen:
            places.append(place)
        seen.add(name)
    return places
