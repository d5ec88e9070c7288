"""The turns of a conversation's bot, as they are answered."""

from marshmallow import fields

from app.bots.loop import CallState
from app.bots.schemas.answers import UsageSchema
from app.common.schema import BaseSchema, PageSchema, choice
from app.knowledge.schemas import SourceSchema
from app.models import TurnOutcome, TurnState


class CallSchema(BaseSchema):
    name = fields.String(required=True, metadata={"example": "find_order"})
    arguments = fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "null if the model wrote no JSON object.",
            "example": {"order_id": "1042"},
        },
    )
    state = choice(
        CallState,
        required=True,
        metadata={
            "description": "`unknown`: nobody can say whether it was done. `begun`: the same, "
            "because the worker died. All but these two and `done`: it was not done. "
            "`not_recorded`: only in a replay."
        },
    )
    result = fields.String(
        required=True,
        metadata={
            "description": "What the model read, at most 2,000 characters.",
            "example": '{"number": "1042", "status": "shipped"}',
        },
    )


class TurnSchema(BaseSchema):
    id = fields.UUID(required=True)
    state = choice(
        TurnState,
        required=True,
        metadata={
            "description": "`armed`: it waits until the customer has written nothing for a while.",
            "example": "finished",
        },
    )
    outcome = choice(
        TurnOutcome,
        required=True,
        allow_none=True,
        metadata={
            "description": "`superseded`: the next turn answers its messages as well, or the one "
            "before did. `silent`: nothing was said; `error` says why. null until it is finished.",
        },
    )
    error = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "Why the bot did not answer: `taken_over`, `outside_window`, "
            "`out_of_hours`, `model_unavailable`, `model_misconfigured`, `no_model_key` and others."
        },
    )
    bot_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "null if it was deleted."}
    )
    version = fields.Integer(
        required=True, allow_none=True, metadata={"description": "The version that answered."}
    )
    model = fields.String(
        required=True, allow_none=True, metadata={"description": "null if no model was asked."}
    )
    message_ids = fields.List(
        fields.UUID(),
        required=True,
        metadata={"description": "What the bot could read; while it waits, what it will answer."},
    )
    calls = fields.List(fields.Nested(CallSchema), required=True)
    sources = fields.List(
        fields.Nested(SourceSchema),
        required=True,
        metadata={"description": "The parts of the bot's documents that the model got."},
    )
    usage = fields.Nested(UsageSchema, required=True, allow_none=True)
    cost = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "US dollars; null if the price is not known.", "example": 0.0001},
    )
    milliseconds = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "From its beginning to its answer.", "example": 1840},
    )
    reply_id = fields.UUID(
        required=True, allow_none=True, metadata={"description": "The last message that it sent."}
    )
    armed_at = fields.DateTime(
        required=True, metadata={"description": "When the first of its messages came."}
    )
    started_at = fields.DateTime(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)


class TurnPage(PageSchema):
    items = fields.List(fields.Nested(TurnSchema), required=True)
