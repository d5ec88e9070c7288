"""What the models of bots may cost, in tokens and in US dollars; pure data, to and from JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app import config
from app.models import SpendPeriod

Stored = Mapping[str, Any]
"""The names of limits → their values. A limit that is not set is not there."""


class WhenReached(StrEnum):
    """What a bot does without the model: send its fallback text, or hand the conversation over."""

    FALLBACK = "fallback"
    HAND_OVER = "hand_over"


@dataclass(frozen=True)
class Limit:
    """None: no limit."""

    tokens: int | None = None
    dollars: Decimal | None = None

    @property
    def is_set(self) -> bool:
        return self.tokens is not None or self.dollars is not None


@dataclass(frozen=True)
class Limits:
    """The limits of a tenant or of a bot. Those of a contact are for each customer, and what all
    bots of the tenant spend on a customer counts. None: no limit."""

    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    dollars_per_day: Decimal | None = None
    dollars_per_month: Decimal | None = None
    contact_tokens_per_day: int | None = None
    contact_tokens_per_month: int | None = None
    contact_dollars_per_day: Decimal | None = None
    contact_dollars_per_month: Decimal | None = None

    def of(self, period: SpendPeriod) -> Limit:
        return self._limit("", period)

    def of_contact(self, period: SpendPeriod) -> Limit:
        return self._limit("contact_", period)

    def _limit(self, whose: str, period: SpendPeriod) -> Limit:
        found = (getattr(self, f"{whose}{unit}_per_{period}") for unit in ("tokens", "dollars"))
        return Limit(*found)


NAMES = tuple(each.name for each in fields(Limits))


def read(stored: Stored) -> Limits:
    found: dict[str, Any] = {
        name: Decimal(str(stored[name])) if "dollars" in name else stored[name]
        for name in NAMES
        if stored.get(name) is not None
    }
    return Limits(**found)


def of_tenant(stored: Stored) -> Limits:
    """Return the limits of a tenant. Those of the operator stand for what is not set."""
    found, settings = read(stored), config.current()
    defaults: dict[str, Any] = {
        "tokens_per_day": settings.bot_tokens_per_day,
        "dollars_per_day": Decimal(settings.bot_dollars_per_day),
        "contact_tokens_per_day": settings.bot_contact_tokens_per_day,
    }
    unset = {name: each for name, each in defaults.items() if getattr(found, name) is None}
    return replace(found, **unset)


def in_dollars(stored: Stored) -> list[str]:
    """Return the names of the limits in dollars that are set."""
    return [name for name in NAMES if "dollars" in name and stored.get(name) is not None]


def when_reached(stored: Stored) -> WhenReached:
    return WhenReached(stored.get("when_reached") or WhenReached.FALLBACK)


def change(stored: Stored, given: Stored) -> dict[str, Any]:
    """Return the limits with those that are given; None removes one."""
    changed = {**stored, **given}
    return {name: value for name, value in changed.items() if value is not None}


def stricter(one: Limit, other: Limit) -> Limit:
    return Limit(_least(one.tokens, other.tokens), _least(one.dollars, other.dollars))


def _least(one: Any, other: Any) -> Any:
    return min((each for each in (one, other) if each is not None), default=None)
