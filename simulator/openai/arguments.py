"""Fills the arguments of a function from a text, by the function's JSON schema."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from simulator.openai.words import identifier_words, plain, words

Schema = dict[str, Any]

_EMAIL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE: Final = re.compile(r"\+\d{8,15}\b|\b\d{9,15}\b")
_ISO_DATE: Final = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DAY_FIRST: Final = re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b")
_CLOCK: Final = re.compile(r"\b(\d{1,2}):(\d{2})\s*(am|pm)?\b|\b(\d{1,2})\s*(am|pm)\b", re.I)
_AT: Final = re.compile(r"\b(?:a las|a la|at)\s+(\d{1,2})\b", re.I)
_CODE: Final = re.compile(r"\b[A-Za-z]{0,4}-?\d+\b")
_NUMBER: Final = re.compile(r"\b\d+(?:\.\d+)?\b")
_NAMED: Final = re.compile(
    r"\b(?:me llamo|mi nombre es|my name is|soy|i am|i'm)\s+([^\W\d_]+)", re.I
)

_NOTHING: Final = object()


@dataclass(frozen=True)
class Filled:
    """`missing` names the required arguments of which the text says nothing."""

    arguments: dict[str, Any]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A text, and the day that "tomorrow" is counted from."""

    text: str
    today: date

    @property
    def without_times(self) -> str:
        """Return the text without dates, times and phone numbers: what is left are codes."""
        text = self.text
        for pattern in (_ISO_DATE, _DAY_FIRST, _CLOCK, _AT, _PHONE, _EMAIL):
            text = pattern.sub(" ", text)
        return text


def fill(schema: Schema, source: Source) -> Filled:
    """Return arguments for an object schema. What is optional and not in the text is left out,
    or null if the schema wants it."""
    arguments: dict[str, Any] = {}
    missing: list[str] = []
    required = schema.get("required") or []
    for name, part in (schema.get("properties") or {}).items():
        value = _value(name, part, source)
        if value is not _NOTHING:
            arguments[name] = value
        elif name in required and _nullable(part):
            arguments[name] = None
        elif name in required:
            arguments[name] = _empty(part)
            missing.append(name)
    return Filled(arguments, tuple(missing))


def _kinds(part: Schema) -> list[str]:
    if "anyOf" in part:
        return [kind for option in part["anyOf"] for kind in _kinds(option)]
    kind = part.get("type", "string")
    return list(kind) if isinstance(kind, list) else [str(kind)]


def _nullable(part: Schema) -> bool:
    return "null" in _kinds(part)


def _kind(part: Schema) -> str:
    return next((kind for kind in _kinds(part) if kind != "null"), "null")


def _empty(part: Schema) -> Any:
    if part.get("enum"):
        return part["enum"][0]
    if _kind(part) == "object":
        return fill(part, Source("", date.min)).arguments
    empty = {"integer": 0, "number": 0, "boolean": False, "array": []}
    return empty.get(_kind(part), "")


def _value(name: str, part: Schema, source: Source) -> Any:
    if "const" in part:
        return part["const"]
    if part.get("enum"):
        return _mentioned(part["enum"], source.text)
    kind = _kind(part)
    if kind == "object":
        filled = fill(part, source)
        return _NOTHING if filled.missing else filled.arguments
    if kind == "array":
        value = _value(name, part.get("items") or {}, source)
        return _NOTHING if value is _NOTHING else [value]
    if kind == "boolean":
        return _NOTHING
    hints = {*identifier_words(name), str(part.get("format", ""))}
    found = next((find for marks, find in _FINDERS if hints & marks), _whole_text)(source)
    if found is None:
        return _NOTHING
    return _as_number(found, kind) if kind in ("integer", "number") else found


def _as_number(text: str, kind: str) -> Any:
    match = _NUMBER.search(text)
    if match is None:
        return _NOTHING
    return int(float(match[0])) if kind == "integer" else float(match[0])


def _mentioned(options: list[Any], text: str) -> Any:
    found = set(words(text))
    for option in options:
        if isinstance(option, str) and set(identifier_words(option)) & found:
            return option
    return _NOTHING


def _first(pattern: re.Pattern[str]) -> Callable[[Source], str | None]:
    def find(source: Source) -> str | None:
        match = pattern.search(source.text)
        return match[match.lastindex or 0] if match else None

    return find


def _code(source: Source) -> str | None:
    match = _CODE.search(source.without_times)
    return match[0].upper() if match else None


def _count(source: Source) -> str | None:
    match = _NUMBER.search(source.without_times)
    return match[0] if match else None


def _day(source: Source) -> str | None:
    text = source.text
    if match := _ISO_DATE.search(text):
        return match[0]
    if match := _DAY_FIRST.search(text):
        return f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}"
    found = set(words(text))
    if {"tomorrow", "manana"} & found and "pasado manana" not in plain(text):
        return (source.today + timedelta(days=1)).isoformat()
    if "pasado manana" in plain(text):
        return (source.today + timedelta(days=2)).isoformat()
    return source.today.isoformat() if {"today", "hoy"} & found else None


def _time(source: Source) -> str | None:
    if match := _CLOCK.search(source.text):
        hour, minute = int(match[1] or match[4]), int(match[2] or 0)
        half = (match[3] or match[5] or "").lower()
    elif match := _AT.search(source.text):
        # Nobody who leaves it out means the hours before the business opens.
        hour, minute, half = int(match[1]), 0, "pm" if int(match[1]) < 8 else ""
    else:
        return None
    if half == "pm" and hour < 12:
        hour += 12
    return f"{hour % 24:02}:{minute % 60:02}"


def _moment(source: Source) -> str | None:
    day, time = _day(source), _time(source)
    return f"{day}T{time or '09:00'}:00Z" if day else None


def _whole_text(source: Source) -> str | None:
    return source.text.strip() or None


_FINDERS: Final[tuple[tuple[frozenset[str], Callable[[Source], str | None]], ...]] = (
    (frozenset({"email", "correo"}), _first(_EMAIL)),
    (frozenset({"phone", "telefono", "mobile", "celular", "whatsapp"}), _first(_PHONE)),
    (frozenset({"starts", "start", "datetime", "date-time", "moment", "at"}), _moment),
    (frozenset({"date", "day", "fecha", "dia"}), _day),
    (frozenset({"time", "hora", "hour"}), _time),
    (
        frozenset({"order", "pedido", "number", "numero", "id", "code", "codigo", "invoice"}),
        _code,
    ),
    (frozenset({"name", "nombre"}), _first(_NAMED)),
    (frozenset({"quantity", "amount", "count", "cantidad", "people", "personas"}), _count),
)
"""The words of an argument's name, and what looks for its value. Other texts get it all."""
