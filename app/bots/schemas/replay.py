"""What a replay takes and answers."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.bots.replay import Difference
from app.bots.schemas.answers import UsageSchema
from app.bots.schemas.turns import CallSchema
from app.common.schema import BaseSchema, choice
from app.models import TurnOutcome

MOST_TURNS = 20


def _each_once(given: list[Any]) -> None:
    if len(set(given)) < len(given):
        raise ValidationError("Name each turn once.")


class ReplayArgs(BaseSchema):
    version = fields.Integer(
        required=True,
        strict=True,
        validate=validate.Range(min=1),
        metadata={"description": "The version of the bot that is to answer.", "example": 2},
    )
    turns = fields.List(
        fields.UUID(),
        validate=[validate.Length(min=1, max=MOST_TURNS), _each_once],
        metadata={"description": "Turns of this bot that have ended."},
    )
    last = fields.Integer(
        strict=True,
        validate=validate.Range(min=1, max=MOST_TURNS),
        metadata={
            "description": "Instead of `turns`: so many of the newest that were answered.",
            "example": 5,
        },
    )

    @validates_schema
    def check_choice(self, data: dict[str, Any], **_: Any) -> None:
        if ("turns" in data) == ("last" in data):
            raise ValidationError({"turns": ["Give either turns or last."]})


class CourseSchema(BaseSchema):
    outcome = choice(TurnOutcome, required=True, allow_none=True)
    text = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "What the customer read; several messages have an empty line between "
            "them. null for nothing.",
            "example": "Your order is on its way.",
        },
    )
    calls = fields.List(fields.Nested(CallSchema), required=True)
    usage = fields.Nested(
        UsageSchema,
        required=True,
        allow_none=True,
        metadata={"description": "null if no model was asked."},
    )
    cost = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "US dollars; null if the price is not known.", "example": 0.0001},
    )
    error = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "As in a turn.", "example": None},
    )


class WasSchema(CourseSchema):
    version = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The version that answered."}
    )


class NowSchema(CourseSchema):
    error = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "As in a turn; `messages_gone`: what it read or said was deleted; "
            "`no_time`: the time was over, replay it in another call.",
            "example": None,
        },
    )


class ReplayedTurnSchema(BaseSchema):
    turn_id = fields.UUID(required=True)
    was = fields.Nested(WasSchema, required=True)
    now = fields.Nested(NowSchema, required=True)
    differences = fields.List(
        choice(Difference),
        required=True,
        metadata={
            "description": "`new_call`: a call that the turn did not make, answered with "
            '`{"status": "not_recorded"}`. Empty for a turn that failed.',
            "example": ["text"],
        },
    )
    has_failed = fields.Boolean(
        required=True,
        metadata={
            "description": "There is no answer to compare: `now.error` says why.",
            "example": False,
        },
    )


class ReplaySummarySchema(BaseSchema):
    turns = fields.Integer(required=True, metadata={"example": 1})
    same = fields.Integer(required=True, metadata={"example": 0})
    different = fields.Integer(required=True, metadata={"example": 1})
    failed = fields.Integer(required=True, metadata={"example": 0})
    cost = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "US dollars; null if no price is known.", "example": 0.0001},
    )


class ReplayAnswer(BaseSchema):
    version = fields.Integer(required=True)
    items = fields.List(fields.Nested(ReplayedTurnSchema), required=True)
    summary = fields.Nested(ReplaySummarySchema, required=True)
