"""JSON schemas of functions and of answers: their form, what `strict` demands, references."""

from collections.abc import Iterator
from typing import Any, Final

from simulator.openai.errors import ApiError, bad_request

Schema = dict[str, Any]

_DEEPEST: Final = 10
_MOST_REFERENCES: Final = 4


def read_parameters(name: str, schema: Any, param: str, *, strict: bool) -> Schema:
    """Return the schema of a function's arguments without references. Raises ApiError
    invalid_function_parameters."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind != "object":
        reason = f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
        raise _invalid(name, reason, param)
    if not _is_schema(schema):
        raise _invalid(name, "the schema is not valid.", param)
    if strict:
        _check_strict(name, schema, param)
    return expanded(schema)


def read_format(schema: Any, param: str) -> Schema:
    """Return the schema of an answer without references. Raises ApiError invalid_json_schema."""
    if not _is_schema(schema):
        raise bad_request(f"Invalid schema in '{param}'.", "invalid_json_schema", param)
    return expanded(schema)


def expanded(schema: Schema) -> Schema:
    """Return the schema with each `$ref` replaced by what it refers to."""
    found: Schema = _resolved(schema, schema, 0)
    return found


def _resolved(part: Any, root: Schema, references: int) -> Any:
    """A schema that refers to itself ends in an empty one."""
    if isinstance(part, list):
        return [_resolved(each, root, references) for each in part]
    if not isinstance(part, dict):
        return part
    reference = part.get("$ref")
    if isinstance(reference, str):
        aim: Any = root
        for step in reference.removeprefix("#").split("/"):
            aim = aim.get(step, {}) if step and isinstance(aim, dict) else aim
        return _resolved(aim, root, references + 1) if references < _MOST_REFERENCES else {}
    return {
        name: _resolved(each, root, references)
        for name, each in part.items()
        if name not in ("$defs", "definitions")
    }


def _is_schema(part: Any, depth: int = 0) -> bool:
    """Return whether the keywords that the simulator reads have their form."""
    if not isinstance(part, dict) or depth > _DEEPEST:
        return False
    kinds = part.get("type", "string")
    maps = [part.get(group, {}) for group in ("properties", "$defs", "definitions")]
    choices = [part.get(group, []) for group in ("anyOf", "oneOf", "allOf")]
    if not _all_are(str, [kinds] if isinstance(kinds, str) else kinds):
        return False
    if not _all_are(str, part.get("required", [])) or not _all_are(dict, maps):
        return False
    if not _all_are(list, [*choices, part.get("enum", [])]):
        return False
    parts = [each for group in maps for each in group.values()]
    parts += [each for group in choices for each in group]
    parts += [part["items"]] if "items" in part else []
    return all(_is_schema(each, depth + 1) for each in parts)


def _all_are(kind: type, values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, kind) for value in values)


def _check_strict(name: str, schema: Schema, param: str) -> None:
    for context, part in _objects(schema, ()):
        if part.get("additionalProperties") is not False:
            reason = "'additionalProperties' is required to be supplied and to be false."
            raise _invalid(name, f"In context={context!r}, {reason}", param)
        left_out = sorted(set(part.get("properties") or ()) - set(part.get("required") or ()))
        if left_out:
            reason = (
                "'required' is required to be supplied and to be an array including every key in "
                f"properties. Missing '{left_out[0]}'."
            )
            raise _invalid(name, f"In context={context!r}, {reason}", param)


def _invalid(name: str, reason: str, param: str) -> ApiError:
    message = f"Invalid schema for function '{name}': {reason}"
    return bad_request(message, "invalid_function_parameters", param)


def _objects(schema: Any, context: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Schema]]:
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
