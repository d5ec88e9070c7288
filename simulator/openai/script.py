"""Rules that say what the model does, instead of what it would do by itself."""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.openai.prompt import Ask, Output, Refuse, Reply, Say
from simulator.rules import Recurring, given, problem

ENDPOINTS: Final = ("responses", "chat", "transcriptions", "embeddings", "models")

ANSWERS: Final = frozenset({"text", "calls", "refusal", "incomplete", "failed"})
BRAINS: Final = frozenset({"default", "obedient"})
FAULTS: Final = frozenset(
    {"error", "rate_limit", "no_quota", "fail_500", "hang", "cut", "malformed"}
)
_DOES: Final = ANSWERS | BRAINS | FAULTS

_TEXTS: Final = (
    *("key", "model", "endpoint", "contains"),
    *("text", "commentary", "reason", "code", "message", "type", "param"),
)
_NUMBERS: Final = ("next", "rate", "seconds", "retry_after", "status")
_FLAGS: Final = ("usage",)


class ScriptError(ValueError):
    """The rule is not valid; the text says why."""


@dataclass(slots=True)
class Rule(Recurring):
    """`seconds` is waited before the answer. See docs/simulator.md for the other fields."""

    do: str
    key: str | None = None
    model: str | None = None
    endpoint: str | None = None
    contains: str | None = None
    text: str | None = None
    commentary: str | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)
    reason: str = "max_output_tokens"
    status: int = 400
    code: str | None = None
    message: str | None = None
    type: str | None = None
    param: str | None = None
    retry_after: float | None = None
    seconds: float | None = None
    usage: bool = True

    def matches(self, endpoint: str, key: str, model: str, texts: Iterable[str]) -> bool:
        return (
            self.endpoint in (None, endpoint)
            and self.key in (None, key)
            and self.model in (None, model)
            and (self.contains is None or any(self.contains in text for text in texts))
        )

    def reply(self) -> Reply:
        """Return the scripted answer of a rule whose `do` is one of ANSWERS."""
        if self.do == "failed":
            error = {
                "code": self.code or "server_error",
                "message": self.message or "The simulator was told to fail.",
            }
            return Reply(self._outputs(), "failed", error=error, usage=self.usage)
        if self.do == "incomplete":
            return Reply(self._outputs(), "incomplete", reason=self.reason, usage=self.usage)
        return Reply(self._outputs(), usage=self.usage)

    def _outputs(self) -> tuple[Output, ...]:
        outputs: list[Output] = []
        if self.commentary is not None:
            outputs.append(Say(self.commentary, "commentary"))
        if self.do == "refusal":
            outputs.append(Refuse(self.text or "I cannot help with that."))
        elif self.text is not None:
            phase = "final_answer" if self.commentary is not None else None
            outputs.append(Say(self.text, phase))
        outputs.extend(Ask(call["name"], _arguments(call)) for call in self.calls)
        return tuple(outputs)

    def to_json(self) -> dict[str, Any]:
        names = ("do", "next", "rate", "fired", *_TEXTS, *_NUMBERS[2:], *_FLAGS, "calls")
        return {name: getattr(self, name) for name in names}


def _arguments(call: dict[str, Any]) -> str:
    """Text goes out as it stands, so that it may be invalid JSON."""
    arguments = call.get("arguments", {})
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def read_rule(data: Any, dice: random.Random) -> Rule:
    """Raises ScriptError."""
    others = {"calls", *_FLAGS}
    reason = problem(data, ("do", _DOES), numbers=_NUMBERS, texts=_TEXTS, others=others)
    if reason is not None:
        raise ScriptError(reason)
    values = given(data)
    if values.get("endpoint", ENDPOINTS[0]) not in ENDPOINTS:
        raise ScriptError(f"endpoint must be one of {', '.join(ENDPOINTS)}")
    _check_calls(values)
    return Rule(**{**values, "usage": data.get("usage", True) is not None}, dice=dice)


def _check_calls(values: dict[str, Any]) -> None:
    calls = values.get("calls", [])
    if not isinstance(calls, list) or not all(
        isinstance(call, dict) and isinstance(call.get("name"), str) for call in calls
    ):
        raise ScriptError('calls must be a list of {"name": …, "arguments": …}')
    if values["do"] == "calls" and not calls:
        raise ScriptError("a rule that does `calls` needs calls")
    if values["do"] == "text" and "text" not in values:
        raise ScriptError("a rule that does `text` needs text")


class Script:
    """The current rules. The first one that matches and applies wins."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.rules: list[Rule] = []

    def load(self, rules: Any, key: str | None = None) -> None:
        """Replace the rules; with a `key`, only those of that key, to which the new ones belong.
        Raises ScriptError, and keeps the old ones, if one is not valid."""
        if not isinstance(rules, list):
            raise ScriptError("rules must be a list")
        read = [read_rule(data, self._dice(index)) for index, data in enumerate(rules)]
        for rule in read:
            rule.key = key or rule.key
        self.clear(key)
        self.rules += read

    def clear(self, key: str | None = None) -> None:
        """Remove all rules, or those of a key."""
        self.rules = [rule for rule in self.rules if key is not None and rule.key != key]

    def append(self, data: Any) -> None:
        """Add one rule at the end. Raises ScriptError."""
        self.rules.append(read_rule(data, self._dice(len(self.rules))))

    def _dice(self, index: int) -> random.Random:
        return random.Random(f"{self._seed}:openai:{index}")

    def take(self, endpoint: str, key: str, model: str, texts: Iterable[str]) -> Rule | None:
        """Return the rule for a request, and count it."""
        texts = tuple(texts)
        for rule in self.rules:
            if rule.matches(endpoint, key, model, texts) and rule.strikes():
                return rule
        return None
