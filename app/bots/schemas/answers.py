"""What the calls of `/bots` answer."""

from typing import Any

from marshmallow import fields, validate

from app.ai.types import Outcome
from app.bots.schemas.arguments import EFFORTS, METHODS, ActionSchema, FunctionSchema
from app.bots.schemas.behaviour import BehaviourSchema
from app.bots.schemas.budget import BudgetSchema
from app.common.schema import BaseSchema, PageSchema, choice
from app.conversations.schemas import ChannelSummarySchema
from app.knowledge.schemas import SourceSchema

NOTE = "Nothing was sent, and no action was called."


class DefinitionSchema(BehaviourSchema):
    """The part of an answer that a version holds."""

    instructions = fields.String(required=True, attribute="definition.instructions")
    openai_model = fields.String(
        required=True,
        attribute="definition.openai_model",
        metadata={"description": "The name as it was given."},
    )
    max_tokens = fields.Integer(required=True, attribute="definition.max_tokens")
    temperature = fields.Float(required=True, allow_none=True, attribute="definition.temperature")
    reasoning_effort = fields.String(
        required=True,
        validate=validate.OneOf(EFFORTS),
        attribute="definition.reasoning_effort",
    )
    history_messages = fields.Integer(required=True, attribute="definition.history_messages")
    assistant_functions = fields.List(
        fields.Nested(FunctionSchema), required=True, attribute="definition.tools"
    )
    horizon_actions = fields.List(
        fields.Nested(ActionSchema), required=True, attribute="definition.actions"
    )


class ServerSchema(BaseSchema):
    base_url = fields.String(required=True, allow_none=True)
    api_key = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The last characters of the stored key."},
    )


class BotSchema(DefinitionSchema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Orders"})
    phone_number = fields.String(
        required=True, attribute="channel.phone_number", data_key="twilio_phone_number"
    )
    channel = fields.Nested(ChannelSummarySchema, required=True)
    is_enabled = fields.Boolean(required=True)
    searches_by_meaning = fields.Boolean(required=True)
    version = fields.Integer(
        required=True, metadata={"description": "The number of the active version."}
    )
    latest_version = fields.Integer(required=True)
    metadata = fields.Dict(required=True, metadata={"example": {"team": "sales"}})
    budget = fields.Nested(BudgetSchema, required=True)
    model = fields.Nested(ServerSchema, required=True)
    actions = fields.Nested(ServerSchema, required=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


def warnings_field() -> fields.Field[Any]:
    return fields.List(
        fields.String(),
        required=True,
        metadata={"description": "What you should know, in sentences.", "example": []},
    )


class BotAnswer(BaseSchema):
    data = fields.Nested(BotSchema, required=True)
    warnings = warnings_field()


class Itself(fields.Nested):
    """A part of the answer that is made from the same object."""

    def serialize(self, attr: str, obj: Any, *_: Any, **kwargs: Any) -> Any:
        return super()._serialize(obj, attr, obj, **kwargs)  # type: ignore[no-untyped-call]


class UnixTime(fields.Integer):
    """A moment, in seconds since 1970."""

    def _serialize(self, value: Any, *_: Any, **__: Any) -> int:
        return int(value.timestamp())


class AssistantToolSchema(BaseSchema):
    type = fields.Constant("function", metadata={"type": "string", "enum": ["function"]})
    function = Itself(FunctionSchema, required=True)


class AssistantSchema(BaseSchema):
    """The bot in the form of OpenAI's former assistants. OpenAI has no such object."""

    id = fields.UUID(required=True, metadata={"description": "The id of the bot."})
    object = fields.Constant("assistant", metadata={"type": "string", "enum": ["assistant"]})
    created_at = UnixTime(required=True, metadata={"example": 1767625200})
    name = fields.String(required=True)
    model = fields.String(
        required=True, attribute="model_name", metadata={"description": "Who answers today."}
    )
    instructions = fields.String(required=True, attribute="definition.instructions")
    tools = fields.List(
        fields.Nested(AssistantToolSchema), required=True, attribute="definition.tools"
    )
    metadata = fields.Dict(required=True, metadata={"example": {"team": "sales"}})
    temperature = fields.Float(required=True, allow_none=True, attribute="definition.temperature")


class NewBotAnswer(BotAnswer):
    assistant = fields.Nested(AssistantSchema, required=True)


class ReloadedBotAnswer(BotAnswer):
    source = fields.String(required=True, validate=validate.OneOf(["database"]))


class BotPage(PageSchema):
    data = fields.List(fields.Nested(BotSchema), required=True, attribute="items")


class VersionSummarySchema(BaseSchema):
    number = fields.Integer(required=True)
    is_active = fields.Boolean(required=True)
    created_by = fields.String(required=True)
    created_at = fields.DateTime(required=True)


class VersionPage(PageSchema):
    data = fields.List(fields.Nested(VersionSummarySchema), required=True, attribute="items")


class VersionSchema(DefinitionSchema, VersionSummarySchema):
    pass


class VersionAnswer(BaseSchema):
    data = fields.Nested(VersionSchema, required=True)


class CalledActionSchema(BaseSchema):
    method = fields.String(required=True, validate=validate.OneOf(METHODS))
    path = fields.String(required=True, metadata={"example": "/orders/{order_id}"})


class ToolCallSchema(BaseSchema):
    id = fields.String(required=True, metadata={"example": "call_1"})
    name = fields.String(required=True, metadata={"example": "find_order"})
    arguments = fields.Dict(
        required=True,
        allow_none=True,
        metadata={
            "description": "null if the model wrote no JSON object.",
            "example": {"order_id": "1042"},
        },
    )
    action = fields.Nested(
        CalledActionSchema,
        required=True,
        allow_none=True,
        metadata={"description": "What would be called; null if the function has no action."},
    )


class UsageSchema(BaseSchema):
    input_tokens = fields.Integer(required=True, attribute="input")
    cached_tokens = fields.Integer(required=True, attribute="cached")
    output_tokens = fields.Integer(required=True, attribute="output")
    reasoning_tokens = fields.Integer(required=True, attribute="reasoning")


class TryAnswer(BaseSchema):
    reply = fields.String(required=True, metadata={"example": "I will look it up."})
    refusal = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The model's words if it refused to answer.", "example": None},
    )
    outcome = choice(
        [Outcome.COMPLETE, Outcome.CUT, Outcome.FILTERED],
        required=True,
        metadata={"description": "`cut`: max_tokens was reached. `filtered`: text was withheld."},
    )
    tool_calls = fields.List(
        fields.Nested(ToolCallSchema),
        required=True,
        metadata={"description": "What the model wants to call. Nothing is called."},
    )
    sources = fields.List(
        fields.Nested(SourceSchema),
        required=True,
        metadata={"description": "The parts of the bot's documents that the model got."},
    )
    usage = fields.Nested(
        UsageSchema,
        required=True,
        allow_none=True,
        metadata={"description": "null if the server does not say."},
    )
    cost = fields.Float(
        required=True,
        allow_none=True,
        metadata={"description": "US dollars; null if the price is not known.", "example": 0.0001},
    )
    model = fields.String(
        required=True, attribute="model_name", metadata={"description": "Who answered."}
    )
    version = fields.Integer(required=True)
    warnings = warnings_field()
    note = fields.Constant(NOTE, metadata={"type": "string", "enum": [NOTE]})
