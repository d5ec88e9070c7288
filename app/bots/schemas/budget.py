"""The limits of what bots may cost, and what they have cost."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, pre_dump, validate

from app.bots.limits import NAMES, WhenReached
from app.common.schema import BaseSchema, choice

MOST_TOKENS = 10**12
MOST_DOLLARS = 10**6
PLACES = 6
"""Decimal places of a limit in dollars."""


class DollarsField(fields.Float):
    """US dollars, as a number in JSON. Refuses a text that holds one."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, str):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        number = super()._deserialize(value, attr, data, **kwargs)
        if round(number, PLACES) != number:
            raise ValidationError(f"At most {PLACES} decimal places.")
        return number


def tokens_field(description: str) -> fields.Integer:
    return fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(min=0, max=MOST_TOKENS),
        metadata={"description": description, "example": None},
    )


def dollars_field(description: str) -> DollarsField:
    return DollarsField(
        allow_none=True,
        validate=validate.Range(min=0, max=MOST_DOLLARS),
        metadata={"description": description, "example": None},
    )


class LimitsArgs(BaseSchema):
    """Fields left out stay; null removes a limit."""

    tokens_per_day = tokens_field("Tokens of the model, read and written, in a day.")
    tokens_per_month = tokens_field("In a calendar month.")
    dollars_per_day = dollars_field("US dollars, where the price of the model is known.")
    dollars_per_month = dollars_field("In a calendar month.")
    contact_tokens_per_day = tokens_field("For each customer, with all your bots, in a day.")
    contact_tokens_per_month = tokens_field("For each customer in a calendar month.")
    contact_dollars_per_day = dollars_field("For each customer in a day.")
    contact_dollars_per_month = dollars_field("For each customer in a calendar month.")


def when_reached_field(**kwargs: Any) -> fields.String:
    return choice(
        WhenReached,
        metadata={
            "description": "What the bot does once a limit is reached: send its fallback text "
            "(`fallback`), or give the conversation to people (`hand_over`).",
            "example": "fallback",
        },
        **kwargs,
    )


class BudgetArgs(LimitsArgs):
    when_reached = when_reached_field()


class LimitsSchema(LimitsArgs):
    """The limits that are set. null: none of its own."""

    @pre_dump
    def complete(self, stored: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        return {name: stored.get(name) for name in NAMES}


class BudgetSchema(LimitsArgs):
    when_reached = when_reached_field(required=True)

    @pre_dump
    def complete(self, stored: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        found = {name: stored.get(name) for name in NAMES}
        return {**found, "when_reached": stored.get("when_reached") or WhenReached.FALLBACK}


def used_fields(kind: type[fields.Number[Any]], **examples: Any) -> dict[str, fields.Field[Any]]:
    """Return the fields of an amount that is used up little by little."""
    texts = {
        "used": "",
        "reserved": "For answers in progress.",
        "limit": "null: none.",
        "left": "null without a limit.",
    }
    return {
        name: kind(
            required=True,
            allow_none=name in {"limit", "left"},
            metadata={"example": examples[name], **({"description": text} if text else {})},
        )
        for name, text in texts.items()
    }


UsedTokensSchema = BaseSchema.from_dict(
    used_fields(fields.Integer, used=18250, reserved=0, limit=200000, left=181750),
    name="UsedTokensSchema",
)
UsedDollarsSchema = BaseSchema.from_dict(
    used_fields(fields.Float, used=0.0041, reserved=0, limit=5, left=4.9959),
    name="UsedDollarsSchema",
)


class PeriodUsageSchema(BaseSchema):
    starts_on = fields.Date(required=True, metadata={"example": "2026-11-01"})
    tokens = fields.Nested(UsedTokensSchema, required=True)
    dollars = fields.Nested(UsedDollarsSchema, required=True)


class ScopeUsageSchema(BaseSchema):
    day = fields.Nested(PeriodUsageSchema, required=True)
    month = fields.Nested(PeriodUsageSchema, required=True)


class BudgetUsageSchema(BaseSchema):
    bot_id = fields.UUID(required=True)
    timezone = fields.String(
        required=True, metadata={"description": "Days and months begin at its midnight."}
    )
    bot = fields.Nested(ScopeUsageSchema, required=True)
    tenant = fields.Nested(
        ScopeUsageSchema, required=True, metadata={"description": "All bots together."}
    )
    prices_of = fields.Date(
        required=True,
        metadata={
            "description": "Dollars are counted by OpenAI's prices of this day.",
            "example": "2026-11-20",
        },
    )


class BudgetUsageAnswer(BaseSchema):
    data = fields.Nested(BudgetUsageSchema, required=True)
