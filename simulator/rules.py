"""What every scripted rule of the simulator shares: how often it applies, and how it is read."""

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class Recurring:
    """`next` counts down; `rate` is 0 to 1; without both the rule always applies."""

    next: int | None = None
    rate: float | None = None
    fired: int = 0
    dice: random.Random = field(default_factory=random.Random)

    def strikes(self) -> bool:
        """Return whether the rule applies this time, and count it."""
        if self.next is not None:
            if self.next <= 0:
                return False
            self.next -= 1
        elif self.rate is not None and self.dice.random() >= self.rate:
            return False
        self.fired += 1
        return True


def problem(
    data: Any,
    kind: tuple[str, Collection[str]],
    *,
    numbers: Collection[str],
    texts: Collection[str] = (),
    others: Collection[str] = (),
) -> str | None:
    """Return why this is no rule, or None. `kind` is the field that says what the rule does, and
    its values."""
    name, allowed = kind
    if not isinstance(data, dict) or data.get(name) not in allowed:
        return f"each rule needs `{name}`, one of {', '.join(sorted(allowed))}"
    unknown = set(data) - {name, "fired", *numbers, *texts, *others}
    if unknown:
        return f"unknown rule fields: {', '.join(sorted(unknown))}"
    for each in numbers:
        number = data.get(each)
        is_number = isinstance(number, int | float) and not isinstance(number, bool)
        if number is not None and not (is_number and number >= 0):
            return f"{each} must be a number of 0 or more"
    for each in texts:
        if not isinstance(data.get(each) or "", str):
            return f"{each} must be text"
    return None


def given(data: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a rule that are set; `fired` is only for reading."""
    return {name: value for name, value in data.items() if name != "fired" and value is not None}
