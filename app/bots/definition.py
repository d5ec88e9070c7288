"""What a version of a bot holds: how it answers and what it may do. Pure data, to and from JSON.

A new field needs a default, which versions that were stored without it get.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, TypeVar

from app.ai.catalogue import NONE
from app.ai.types import Tool

Json = dict[str, Any]
Made = TypeVar("Made", Tool, "Action", "Definition")


class Effect(StrEnum):
    """What an action does. CONFIRM: it changes something, and the customer is asked first."""

    READ = "read"
    WRITE = "write"
    CONFIRM = "confirm"


@dataclass(frozen=True)
class Action:
    """The call that a tool makes. `{name}` in the path, the query or the body stands for an
    argument of the tool, or for `contact.phone` or `contact.id`.

    Whoever fills a path must percent-encode each value, and refuse a path with a segment `..`.
    """

    name: str
    method: str
    path: str
    query: Json = field(default_factory=dict)
    body: Json | None = None
    effect: Effect = Effect.READ


@dataclass(frozen=True)
class Definition:
    """`openai_model` is the name as it was given; the catalogue says which model answers for it.

    `max_tokens` limits one answer of the model. `history_messages`: earlier messages that the model
    sees.
    """

    openai_model: str
    instructions: str = ""
    max_tokens: int = 500
    temperature: float | None = None
    reasoning_effort: str = NONE
    tools: tuple[Tool, ...] = ()
    actions: tuple[Action, ...] = ()
    history_messages: int = 10

    def action_of(self, tool: str) -> Action | None:
        return next((action for action in self.actions if action.name == tool), None)


def to_json(definition: Definition) -> Json:
    return asdict(definition)


def from_json(stored: Json) -> Definition:
    """Return the definition that `to_json` wrote, now or in another release."""
    values = dict(stored)
    for name, read in _READERS.items():
        if values.get(name) is not None:
            values[name] = read(values[name])
    return _made(Definition, values)


def _made(kind: type[Made], stored: Json) -> Made:
    """Return an object of the stored values; those that this release does not know are left out."""
    known = {each.name for each in fields(kind)}
    return kind(**{name: value for name, value in stored.items() if name in known})


def _action(stored: Json) -> Action:
    return _made(Action, {**stored, "effect": Effect(stored["effect"])})


_READERS: dict[str, Callable[[Any], Any]] = {
    "tools": lambda stored: tuple(_made(Tool, each) for each in stored),
    "actions": lambda stored: tuple(_action(each) for each in stored),
}
"""Field → how its stored form is read; the other fields are stored as they are."""
