"""The parameters of a webhook, made safe to store: Postgres accepts neither NUL nor surrogates."""

import json
import math
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

MOST_PARAMETERS = 1000
DEEPEST = 16
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class Form(NamedTuple):
    """`query` is the query of the URL that Twilio called, unchanged."""

    parameters: dict[str, str]
    query: str


def read(raw: str) -> Form:
    """Parse `<form body>` newline `<query string>`. Raises ValueError for too many parameters."""
    body, _, query = raw.rpartition("\n") if "\n" in raw else (raw, "", "")
    return Form(_pairs(body), query)


def _pairs(text: str) -> dict[str, str]:
    """Of a repeated name the first value counts; Twilio repeats none."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_PARAMETERS):
        found.setdefault(storable(name), storable(value))
    return found


def storable(text: str) -> str:
    return text.replace("\x00", REPLACEMENT).encode("utf-8", "replace").decode()


def read_json(text: str) -> Any:
    """Return the JSON of a parameter in a form that can be stored; None when it is not JSON."""
    try:
        return _storable_json(json.loads(text))
    except (ValueError, RecursionError):
        return None


def _storable_json(value: Any, depth: int = 0) -> Any:
    """Raises ValueError for excessive nesting."""
    if depth > DEEPEST:
        raise ValueError("nested too deep")
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {storable(str(key)): _storable_json(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_storable_json(each, depth + 1) for each in value]
    return value
