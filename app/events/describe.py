"""Generates docs/events.md from the catalogue."""

from collections.abc import Iterator
from typing import Any

from marshmallow import Schema, fields, validate

from app.events.catalogue import CATALOGUE, Entry, EventType

HEAD = """\
# Events

Recado records an event for every fact about a business's messages, conversations, contacts and
channels, in the transaction that makes the fact true. An event has a `type`, the `version` of its
payload, the time at which it was recorded, and a payload. Within a version a payload only gains
fields.

This page is made by `flask --app wsgi events describe` from `app/events/catalogue.py`; a test
fails when the two differ.
"""

AnyField = fields.Field[Any]

KINDS: dict[type[AnyField], str] = {
    fields.UUID: "UUID",
    fields.Date: "date",
    fields.Float: "number",
    fields.AwareDateTime: "time",
    fields.String: "text",
    fields.List: "list",
    fields.Nested: "object",
}


def describe() -> str:
    """Return the page as Markdown."""
    rows = [f"| [`{name}`](#{anchor(name)}) | {entry.when} |" for name, entry in CATALOGUE.items()]
    table = "\n".join(["| Type | When |", "|---|---|", *rows])
    sections = [_section(event_type, entry) for event_type, entry in CATALOGUE.items()]
    return "\n".join([HEAD, table, *sections, ""])


def anchor(event_type: EventType) -> str:
    """Return the fragment under which GitHub shows the heading of this type."""
    return event_type.replace(".", "")


def _section(event_type: EventType, entry: Entry) -> str:
    rows = [f"| `{name}` | {kind} | {text} |" for name, kind, text in _fields_of(entry.payload())]
    table = "\n".join(["| Field | Kind | Meaning |", "|---|---|---|", *rows])
    return f"\n## {event_type}\n\n{entry.when} Version {entry.version}.\n\n{table}"


def _fields_of(schema: Schema, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (name, kind, meaning), with the fields of an inner object as `outer.name`."""
    for name, field in schema.fields.items():
        yield prefix + name, _kind_of(field), _meaning_of(field)
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested):
            mark = "[]" if isinstance(field, fields.List) else ""
            yield from _fields_of(inner.schema, f"{prefix}{name}{mark}.")


def _kind_of(field: AnyField) -> str:
    kind = next(kind for known, kind in KINDS.items() if isinstance(field, known))
    return f"{kind} or null" if field.allow_none else kind


def _meaning_of(field: AnyField) -> str:
    meaning = str(field.metadata["description"])
    for rule in field.validators:
        if isinstance(rule, validate.OneOf):
            meaning += " One of " + ", ".join(f"`{each}`" for each in rule.choices) + "."
    return meaning
