"""Content with its variables filled in, and whether the channel accepts it."""

import re
from typing import Any, Final

from simulator.records import Content

_PLACEHOLDER: Final = re.compile(r"\{\{\s*([\w-]+)\s*\}\}")
#: Sendable inside the 24-hour window without approval (content type pages of the vendor).
_SESSION_TYPES: Final = frozenset(
    {
        "twilio/text",
        "twilio/media",
        "twilio/location",
        "twilio/list-picker",
        "twilio/quick-reply",
        "twilio/call-to-action",
        "twilio/catalog",
        "twilio/flows",
        "whatsapp/flows",
    }
)
_NEVER_APPROVED: Final = frozenset({"twilio/list-picker", "twilio/location"})
_REFUSED: Final = {"rejected": 63040, "paused": 63041, "disabled": 63042}


class MissingVariable(ValueError):
    """A placeholder has neither a value nor a sample."""


def _fill(value: Any, values: dict[str, str]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: _value(match[1], values), value)
    if isinstance(value, list):
        return [_fill(item, values) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, values) for key, item in value.items()}
    return value


def _value(name: str, values: dict[str, str]) -> str:
    if name not in values:
        raise MissingVariable(name)
    return values[name]


def main_type(content: Content) -> str:
    """WhatsApp gets the richest type; twilio/text is the fallback for other channels."""
    names = [name for name in content.types if name != "twilio/text"]
    return names[0] if names else next(iter(content.types), "twilio/text")


def render(content: Content, variables: dict[str, str]) -> dict[str, Any]:
    """Return the filled type with its name under `type`. Raises MissingVariable."""
    name = main_type(content)
    return {"type": name, **_fill(content.types[name], content.variables | variables)}


def body_of(rendered: dict[str, Any]) -> str:
    return str(rendered.get("body") or rendered.get("title") or "")


def refusal_code(content: Content, variables: dict[str, str], window_open: bool) -> int | None:
    """Return the error code with which the channel fails this content, or None if it accepts it."""
    name = main_type(content)
    if content.status == "approved" and name not in _NEVER_APPROVED:
        # Approved templates allow no line breaks inside variables.
        return 63013 if any("\n" in value for value in variables.values()) else None
    if not window_open or name not in _SESSION_TYPES:
        return _REFUSED.get(content.status, 63016 if not window_open else 63005)
    if len(content.types[name].get("actions", [])) > 3:
        return 63005
    return None
