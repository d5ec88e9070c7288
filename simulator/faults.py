"""Faults of the provider: the next N calls, at a rate with a seed, or always."""

import random
from dataclasses import dataclass
from typing import Any, Final

from simulator.rules import Recurring, given, problem

CREATE_FAULTS: Final = frozenset(
    {
        "accept_then_hang",
        "accept_then_500",
        "accept_then_reset",
        "hang",
        "reject",
        "throttle",
        "fail_500",
        "reset_before",
        "slow",
        "expired_token",
    }
)
CALLBACK_FAULTS: Final = frozenset({"lost", "doubled", "reordered", "early", "late"})
LISTING_FAULTS: Final = frozenset({"fail_500", "forbidden", "hang", "slow"})
FAULTS: Final = {
    "create": CREATE_FAULTS,
    "callback": CALLBACK_FAULTS,
    "list": LISTING_FAULTS,
    "media": LISTING_FAULTS,
}
"""What a plan may do to a create, to a callback, to a page of messages, to a message's media."""

_NUMBERS: Final = ("next", "rate", "seconds", "code", "http_status", "retry_after")
_TEXTS: Final = ("to", "from", "body", "status", "account")


class FaultPlanError(ValueError):
    """PUT /control/faults does not accept the plan; the text says why."""


@dataclass(slots=True)
class Rule(Recurring):
    """What happens to a call, and to which calls."""

    fault: str
    to: str | None = None
    from_: str | None = None
    body: str | None = None
    account: str | None = None
    status: str | None = None
    seconds: float = 30.0
    code: int = 21610
    http_status: int = 400
    retry_after: int | None = 1

    def matches(self, call: "Call") -> bool:
        return (
            (self.to is None or self.to.removeprefix("whatsapp:") in call.to)
            and (self.from_ is None or self.from_.removeprefix("whatsapp:") in call.from_)
            and (self.body is None or self.body in call.body)
            and (self.account is None or self.account == call.account)
            and (self.status is None or self.status == call.status)
        )

    def to_json(self) -> dict[str, Any]:
        values = {"fault": self.fault, "next": self.next, "rate": self.rate, "fired": self.fired}
        for name in ("to", "body", "account", "status", "seconds", "code", "http_status"):
            values[name] = getattr(self, name)
        return values | {"from": self.from_, "retry_after": self.retry_after}


@dataclass(frozen=True, slots=True)
class Call:
    """What a rule is matched against: a create, (with `status`) one callback, or what a list
    shows."""

    account: str
    to: str
    from_: str
    body: str
    status: str | None = None


def _rule(data: Any, allowed: frozenset[str], dice: random.Random) -> Rule:
    if reason := problem(data, ("fault", allowed), numbers=_NUMBERS, texts=_TEXTS):
        raise FaultPlanError(reason)
    values = given(data)
    if "from" in values:
        values["from_"] = values.pop("from")
    return Rule(**values, dice=dice)


class Faults:
    """The current plan. The first rule that matches and applies wins."""

    def __init__(self, seed: int, latency_ms: float) -> None:
        self._default_seed = seed
        self._default_latency = latency_ms
        self.clear()

    def clear(self) -> None:
        self.seed = self._default_seed
        self.latency_ms = self._default_latency
        self.jitter_ms = 0.0
        self.list_lag = 0.0
        self.concurrency_limit: int | None = None
        self.rules: dict[str, list[Rule]] = {kind: [] for kind in FAULTS}
        self._jitter = random.Random(f"{self.seed}:jitter")

    def load(self, plan: dict[str, Any]) -> None:
        """Replace the plan. Raises FaultPlanError, and keeps the old plan, if it is not valid."""
        if not isinstance(plan, dict):
            raise FaultPlanError("the plan must be a JSON object")
        known = {"seed", "latency_ms", "jitter_ms", "list_lag", "concurrency_limit", *FAULTS}
        if set(plan) - known:
            raise FaultPlanError(f"unknown fields: {', '.join(sorted(set(plan) - known))}")
        seed = int(plan.get("seed", self._default_seed))
        rules = {
            kind: [
                _rule(item, allowed, random.Random(f"{seed}:{kind}:{index}"))
                for index, item in enumerate(plan.get(kind, []))
            ]
            for kind, allowed in FAULTS.items()
        }
        self.clear()
        self.seed, self.rules = seed, rules
        self._jitter = random.Random(f"{seed}:jitter")
        self.latency_ms = float(plan.get("latency_ms", self._default_latency))
        self.jitter_ms = float(plan.get("jitter_ms", 0))
        self.list_lag = float(plan.get("list_lag", 0))
        limit = plan.get("concurrency_limit")
        self.concurrency_limit = int(limit) if limit else None

    def append(self, kind: str, data: dict[str, Any]) -> None:
        """Add one rule at the end of its `kind`, one of FAULTS. Raises FaultPlanError."""
        rules = self.rules[kind]
        rules.append(_rule(data, FAULTS[kind], random.Random(f"{self.seed}:{kind}:{len(rules)}")))

    def latency(self) -> float:
        """Return the seconds to add to an answer."""
        extra = self._jitter.random() * self.jitter_ms if self.jitter_ms else 0.0
        return (self.latency_ms + extra) / 1000

    def on_create(self, call: Call) -> Rule | None:
        return self._first("create", call)

    def on_listing(self, kind: str, call: Call) -> Rule | None:
        """Return the rule for a page of messages (`list`), or for the list of one's media
        (`media`)."""
        return self._first(kind, call)

    def _first(self, kind: str, call: Call) -> Rule | None:
        return next((r for r in self.rules[kind] if r.matches(call) and r.strikes()), None)

    def on_callback(self, call: Call, *, early: bool) -> Rule | None:
        """Return the rule for one callback; `early` rules are checked at create, the others per
        callback."""
        for rule in self.rules["callback"]:
            if (rule.fault == "early") == early and rule.matches(call) and rule.strikes():
                return rule
        return None

    def to_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "latency_ms": self.latency_ms,
            "jitter_ms": self.jitter_ms,
            "list_lag": self.list_lag,
            "concurrency_limit": self.concurrency_limit,
            **{kind: [rule.to_json() for rule in rules] for kind, rules in self.rules.items()},
        }
