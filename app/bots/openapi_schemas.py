"""The JSON schemas in an OpenAPI document, as the parameters of a function can hold them.

A document may hold anything, so what is malformed is left out, and a schema that comes out of here
is a valid one. Pure.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from app.bots.definition import Json

MOST_NODES = 500
"""Schemas, parameters and values of one operation."""

MOST_IN_ALL = 25_000
"""The same of all operations that are read at once, about a second's work."""

DEEPEST = 8
"""Schemas within each other; each takes two levels of the 20 that parameters may have."""

MOST_REFERENCES = 30
"""References that lead to each other before there is a schema."""

LONGEST_TEXT = 1_000
LONGEST_FORMAT = 200
TYPES = frozenset({"string", "number", "integer", "boolean", "null", "array", "object"})
SCALARS = TYPES - {"array", "object"}
BRANCHES = ("allOf", "anyOf", "oneOf")

Trail = tuple[str, ...]
"""The references that led to a schema."""


class Unsupported(ValueError):
    """This part of a document cannot be imported. The text tells its owner why."""


def as_object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


@dataclass
class Budget:
    """How much of a document may still be read."""

    left: int = MOST_IN_ALL


class Reader:
    """Reads what one operation of a document refers to, within limits."""

    def __init__(self, document: Json, budget: Budget) -> None:
        self.document = document
        self._budget = budget
        self._left = MOST_NODES

    def count(self, nodes: int = 1) -> None:
        """Raises Unsupported once the operation, or the document, is too large."""
        if nodes > self._left:
            raise Unsupported(f"It has more than {MOST_NODES} parameters, properties and values.")
        if nodes > self._budget.left:
            raise Unsupported("The document is too large to read all of it: name the operations.")
        self._left -= nodes
        self._budget.left -= nodes

    def follow(self, given: Any, trail: Trail = ()) -> tuple[Json, Trail]:
        """Return the object that `given` is or refers to. Raises Unsupported."""
        found = as_object(given)
        while isinstance(reference := found.get("$ref"), str):
            if reference in trail:
                raise Unsupported(f"{reference[:100]} refers to itself.")
            if len(trail) >= MOST_REFERENCES:
                raise Unsupported("Its references lead through too many others.")
            trail = (*trail, reference)
            target = as_object(self._at(reference))
            own = found.get("description")
            found = target
            if isinstance(own, str):
                # The copy of a large object takes time.
                self.count(len(target) // 50)
                found = {**target, "description": own}
        return found, trail

    def _at(self, reference: str) -> Any:
        """Return what a JSON pointer points at. Raises Unsupported."""
        if not reference.startswith("#/"):
            raise Unsupported(f"{reference[:100]} is outside of the document.")
        found: Any = self.document
        for part in unquote(reference[2:]).split("/"):
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                is_place = re.fullmatch("[0-9]{1,6}", name) and int(name) < len(found)
                found = found[int(name)] if is_place else None
            else:
                found = as_object(found).get(name)
        if not isinstance(found, dict):
            raise Unsupported(f"{reference[:100]} does not exist.")
        return found

    def schema(self, given: Any, trail: Trail = (), depth: int = 0, *, closes: bool = True) -> Json:
        """Return the schema without references, and with what a function can use of it.

        An object takes no members but its properties, unless the schema says so: the model must
        not add any. `closes` is False where another schema may name more of them. Raises
        Unsupported.
        """
        self.count()
        if depth > DEEPEST:
            raise Unsupported(f"Its schemas are nested more than {DEEPEST} levels deep.")
        node, trail = self.follow(given, trail)
        made = self._values(node)
        properties, required = self.properties(node, trail, depth)
        if properties:
            made["properties"] = properties
        if required:
            made["required"] = required
        if isinstance(node.get("items"), dict):
            made["items"] = self.schema(node["items"], trail, depth + 1)
        for keyword in BRANCHES:
            if branches := as_list(node.get(keyword)):
                closed = closes and keyword != "allOf" and not properties
                made[keyword] = [
                    self.schema(each, trail, depth + 1, closes=closed) for each in branches
                ]
        self._limit_members(made, node, trail, depth, closes=closes)
        return made

    def properties(self, node: Json, trail: Trail, depth: int) -> tuple[Json, list[str]]:
        """Return the properties that a request may hold, and the names of those that it must."""
        found, skipped = {}, set()
        for name, given in as_object(node.get("properties")).items():
            if self.follow(given, trail)[0].get("readOnly") is True:
                skipped.add(name)
            else:
                found[name] = self.schema(given, trail, depth + 1)
        names = [name for name in as_list(node.get("required"))[:MOST_NODES] if as_text(name)]
        return found, [name for name in dict.fromkeys(names) if name not in skipped]

    def _limit_members(
        self, made: Json, node: Json, trail: Trail, depth: int, *, closes: bool
    ) -> None:
        others = node.get("additionalProperties")
        if isinstance(others, dict):
            made["additionalProperties"] = self.schema(others, trail, depth + 1)
        elif isinstance(others, bool):
            made["additionalProperties"] = others
        elif closes and "properties" in made and not made.keys() & set(BRANCHES):
            made["additionalProperties"] = False

    def _values(self, node: Json) -> Json:
        """Return the keywords that hold no schemas, in the form of OpenAPI 3.1."""
        self.count(len(as_list(node.get("enum"))))
        made = {
            name: node[name] for name, fits in _FITS.items() if name in node and fits(node[name])
        }
        if "description" in made:
            made["description"] = made["description"][:LONGEST_TEXT]
        for limit, strict in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
            # In OpenAPI 3.0 the second one is true or false.
            if node.get(strict) is True and limit in made:
                made[strict] = made.pop(limit)
        if node.get("nullable") is True and "type" in made:
            types = made["type"] if isinstance(made["type"], list) else [made["type"]]
            made["type"] = list(dict.fromkeys([*types, "null"]))
            if "enum" in made and None not in made["enum"]:
                made["enum"] = [*made["enum"], None]
        return made


def types_of(schema: Json) -> set[str]:
    """Return the types that a schema names, in its branches, too; none if it names none."""
    own = schema.get("type", [])
    found = {own} if isinstance(own, str) else set(own)
    for keyword in BRANCHES:
        for branch in schema.get(keyword, []):
            found |= types_of(branch)
    return found


def is_scalar(schema: Json) -> bool:
    """Return whether its values are texts, numbers, true, false or null."""
    return types_of(schema) <= SCALARS and not schema.keys() & {"properties", "items"}


def names_within(schema: Any) -> Iterator[str]:
    """Yield the names of the properties in a schema, at any depth."""
    if isinstance(schema, dict):
        yield from as_object(schema.get("properties"))
        for inner in schema.values():
            yield from names_within(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from names_within(inner)


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | bool) or _is_number(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_type(value: Any) -> bool:
    if isinstance(value, str):
        return value in TYPES
    types = as_list(value)
    if not 0 < len(types) <= len(TYPES) or not all(isinstance(each, str) for each in types):
        return False
    return len(set(types)) == len(types) and set(types) <= TYPES


def _is_enum(value: Any) -> bool:
    return bool(as_list(value)) and all(map(_is_plain, value))


_FITS: dict[str, Callable[[Any], bool]] = {
    "type": _is_type,
    "description": lambda value: isinstance(value, str),
    "format": lambda value: isinstance(value, str) and len(value) <= LONGEST_FORMAT,
    "enum": _is_enum,
    "const": _is_plain,
    "default": _is_plain,
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _is_number),
    "multipleOf": lambda value: _is_number(value) and value > 0,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _is_count),
    "uniqueItems": lambda value: isinstance(value, bool),
}
"""The keywords that are taken over, and whether a value of theirs is well formed. No `pattern`:
actions do not check it."""
