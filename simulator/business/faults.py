"""Faults of the business API: the next N requests, at a rate with a seed, or always."""

import random
from dataclasses import dataclass, field, fields
from typing import Any, Final

BEFORE: Final = frozenset({"fail_before", "throttle", "redirect", "hang", "cut"})
"""The request is not carried out."""

AFTER: Final = frozenset({"fail_after", "hang_after", "cut_after", "malformed", "huge", "slow"})
"""The request is carried out, and the answer is disturbed."""

_METHODS: Final = ("GET", "POST", "DELETE")


@dataclass(slots=True)
class Fault:
    """`path` is contained in the request's path. `seconds` is the wait of slow and hang, `bytes`
    the size of a huge answer, `location` the aim of a redirect."""

    fault: str
    next: int | None = None
    rate: float | None = None
    method: str | None = None
    path: str | None = None
    seconds: float = 30.0
    bytes: int = 5_000_000
    location: str = "http://169.254.169.254/latest/meta-data/"
    retry_after: int = 1
    fired: int = 0
    dice: random.Random = field(default_factory=random.Random)

    def strikes(self, method: str, path: str) -> bool:
        """Return whether the fault applies to this request, and count it."""
        if self.method not in (None, method) or (self.path or "") not in path:
            return False
        if self.next is not None:
            if self.next <= 0:
                return False
            self.next -= 1
        elif self.rate is not None and self.dice.random() >= self.rate:
            return False
        self.fired += 1
        return True

    def to_json(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name != "dice"}


def read_faults(rules: Any, seed: int) -> list[Fault]:
    """Raises ValueError for rules that are not valid."""
    if not isinstance(rules, list):
        raise ValueError("rules must be a list")
    return [_read(data, random.Random(f"{seed}:business:{i}")) for i, data in enumerate(rules)]


def _read(data: Any, dice: random.Random) -> Fault:
    allowed = BEFORE | AFTER
    if not isinstance(data, dict) or data.get("fault") not in allowed:
        raise ValueError(f"each rule needs a fault, one of {', '.join(sorted(allowed))}")
    unknown = set(data) - {f.name for f in fields(Fault) if f.name != "dice"}
    if unknown:
        raise ValueError(f"unknown rule fields: {', '.join(sorted(unknown))}")
    for name in ("next", "rate", "seconds", "bytes", "retry_after"):
        number = data.get(name)
        if number is not None and (
            isinstance(number, bool) or not isinstance(number, int | float) or number < 0
        ):
            raise ValueError(f"{name} must be a number of 0 or more")
    if data.get("method") not in (None, *_METHODS):
        raise ValueError(f"method must be one of {', '.join(_METHODS)}")
    given = {name: value for name, value in data.items() if value is not None and name != "fired"}
    return Fault(**given, dice=dice)
