"""Faults of the business API: the next N requests, at a rate with a seed, or always."""

import random
from dataclasses import dataclass, fields
from typing import Any, Final

from simulator.rules import Recurring, given, problem

BEFORE: Final = frozenset({"fail_before", "throttle", "redirect", "hang", "cut"})
"""The request is not carried out."""

AFTER: Final = frozenset({"fail_after", "hang_after", "cut_after", "malformed", "huge", "slow"})
"""The request is carried out, and the answer is disturbed."""

_METHODS: Final = ("GET", "POST", "DELETE")
_NUMBERS: Final = ("next", "rate", "seconds", "bytes", "retry_after")
_TEXTS: Final = ("path", "location")


@dataclass(slots=True)
class Fault(Recurring):
    """`path` is contained in the request's path. `seconds` is the wait of slow and hang, `bytes`
    the size of a huge answer, `location` the aim of a redirect."""

    fault: str
    method: str | None = None
    path: str | None = None
    seconds: float = 30.0
    bytes: int = 5_000_000
    location: str = "http://169.254.169.254/latest/meta-data/"
    retry_after: int = 1

    def matches(self, method: str, path: str) -> bool:
        return self.method in (None, method) and (self.path or "") in path

    def to_json(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "dice"}


def read_faults(rules: Any, seed: int) -> list[Fault]:
    """Raises ValueError for rules that are not valid."""
    if not isinstance(rules, list):
        raise ValueError("rules must be a list")
    return [_read(data, random.Random(f"{seed}:business:{i}")) for i, data in enumerate(rules)]


def _read(data: Any, dice: random.Random) -> Fault:
    kind = ("fault", BEFORE | AFTER)
    reason = problem(data, kind, numbers=_NUMBERS, texts=_TEXTS, others={"method"})
    if reason is not None:
        raise ValueError(reason)
    if data.get("method") not in (None, *_METHODS):
        raise ValueError(f"method must be one of {', '.join(_METHODS)}")
    return Fault(**given(data), dice=dice)
