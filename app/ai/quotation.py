"""Quoting in a question what others wrote: as data, for a model that must not take it as an
instruction.

What is quoted may hold anything, also sentences that look like instructions, or like the end of the
quotation. So it is quoted as JSON between two marks, and a character of the marks never stands in
the JSON as itself.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from app.ai.types import Role, Said

UNQUOTED = {ord(mark): f"\\u{ord(mark):04x}" for mark in "<>"}


def quoted(introduction: str, name: str, values: Sequence[Mapping[str, Any]]) -> str:
    """Return the values as the model reads them, between `<name>` and `</name>`."""
    written = ",\n".join(_written(value) for value in values)
    return f"{introduction}\n<{name}>\n[{written}]\n</{name}>"


def as_developer(text: str) -> Said:
    """Only we write with the role of the developer: a customer cannot hand in a quotation."""
    return Said(Role.DEVELOPER, text)


def _written(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False).translate(UNQUOTED)
