"""What a version of a bot holds: how it answers and what it may do. Pure data, to and from JSON.

A new field needs a default, which versions that were stored without it get.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, TypeVar

from app.ai.catalogue import NONE
from app.ai.types import Tool

Json = dict[str, Any]
Texts = Mapping[str, str]
"""Language (es, en) → text."""

Made = TypeVar("Made", Tool, "Action", "Span", "Definition")

DISCLOSURE: Texts = {
    "es": "Soy un asistente virtual. Escribe *persona* para hablar con alguien del equipo.",
    "en": "I am a virtual assistant. Write *person* to talk with somebody of the team.",
}
HANDOVER: Texts = {
    "es": "Con gusto: una persona de nuestro equipo te responderá por aquí.",
    "en": "Of course: a person of our team will answer you here.",
}
FALLBACK: Texts = {
    "es": "Perdona, ahora mismo no puedo responder. Inténtalo de nuevo en unos minutos.",
    "en": "Sorry, I cannot answer right now. Please try again in a few minutes.",
}
OUT_OF_HOURS: Texts = {
    "es": "Ahora estamos cerrados. Te responderemos en cuanto abramos.",
    "en": "We are closed now. We will answer as soon as we open.",
}
HANDOVER_KEYWORDS = ("persona", "humano", "agente", "asesor", "person", "human", "agent")


class Effect(StrEnum):
    """What an action does. CONFIRM: it changes something, and the customer is asked first."""

    READ = "read"
    WRITE = "write"
    CONFIRM = "confirm"


class EscalationKind(StrEnum):
    """How a customer reaches a person: in the chat, or outside of it."""

    PEOPLE = "people"
    PHONE = "phone"
    EMAIL = "email"
    URL = "url"


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
    confirmation: Texts = field(default_factory=dict)
    """What the customer is asked before a CONFIRM, with `{name}` for arguments. Empty: a text of
    ours."""


@dataclass(frozen=True)
class Escalation:
    """`value` is the phone number, the address or the URL; empty for PEOPLE."""

    kind: EscalationKind = EscalationKind.PEOPLE
    value: str = ""


@dataclass(frozen=True)
class Span:
    """A span of a week's day (0 is Monday), as `HH:MM` in the time zone of the business hours."""

    day: int
    opens: str
    closes: str


@dataclass(frozen=True)
class BusinessHours:
    timezone: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Definition:
    """`openai_model` is the name as it was given; the catalogue says which model answers for it.

    `max_tokens` limits one answer of the model, `longest_answer` the characters of one message.
    `debounce_seconds`: how long the customer must be silent before the bot answers.
    `history_messages`: earlier messages that the model sees; with `keeps_summary` also a summary of
    those before. `business_hours` of None: always.
    """

    openai_model: str
    instructions: str = ""
    max_tokens: int = 500
    temperature: float | None = None
    reasoning_effort: str = NONE
    tools: tuple[Tool, ...] = ()
    actions: tuple[Action, ...] = ()
    history_messages: int = 10
    keeps_summary: bool = False
    debounce_seconds: int = 4
    shows_typing: bool = True
    shows_disclosure: bool = True
    disclosure: Texts = field(default_factory=lambda: dict(DISCLOSURE))
    escalation: Escalation = Escalation()
    handover_keywords: tuple[str, ...] = HANDOVER_KEYWORDS
    handover_text: Texts = field(default_factory=lambda: dict(HANDOVER))
    fallback_text: Texts = field(default_factory=lambda: dict(FALLBACK))
    keyword_replies_first: bool = True
    business_hours: BusinessHours | None = None
    out_of_hours_text: Texts = field(default_factory=lambda: dict(OUT_OF_HOURS))
    split_messages: bool = False
    longest_answer: int = 700

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


def _hours(stored: Json) -> BusinessHours:
    return BusinessHours(stored["timezone"], tuple(_made(Span, each) for each in stored["spans"]))


_READERS: dict[str, Callable[[Any], Any]] = {
    "tools": lambda stored: tuple(_made(Tool, each) for each in stored),
    "actions": lambda stored: tuple(_action(each) for each in stored),
    "escalation": lambda stored: Escalation(EscalationKind(stored["kind"]), stored["value"]),
    "handover_keywords": tuple,
    "business_hours": _hours,
}
"""Field → how its stored form is read; the other fields are stored as they are."""
