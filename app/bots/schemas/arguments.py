"""What the calls of `/bots` take."""

from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from app.ai.types import Role, Said, Tool
from app.bots import checks
from app.bots.definition import Action, Effect
from app.bots.schemas import behaviour
from app.bots.schemas.behaviour import OF_BEHAVIOUR, BehaviourArgs, TextsArgs
from app.bots.schemas.budget import BudgetArgs
from app.common.egress import check_url
from app.common.schema import BaseSchema, Flag, PhoneField, choice, text_field, words_field

LONGEST_INSTRUCTIONS = checks.LARGEST_DEFINITION
LONGEST_SAID = 4096
"""Characters of a WhatsApp text."""

MOST_HISTORY = 50
EFFORTS = ("none", "low", "medium", "high", "xhigh", "max")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FUNCTION_NAME = validate.Regexp(
    # A dollar sign alone would let a line break pass.
    r"^[a-zA-Z0-9_-]{1,64}$(?!\n)",
    error="1 to 64 letters, digits, '_' and '-'.",
)
FUNCTION = validate.OneOf(["function"], error="Only functions can be used, not {input}.")
NO_PARAMETERS = {"type": "object", "properties": {}}
MISSING = fields.Field.default_error_messages["required"]


def check_with(problem: Callable[[Any], str | None]) -> Callable[[Any], None]:
    """Return a validator from a function that returns a problem, or None."""

    def validator(value: Any) -> None:
        if reason := problem(value):
            raise ValidationError(reason)

    return validator


def object_field(**kwargs: Any) -> fields.Dict:
    """Any JSON object of a limited size and depth."""
    return fields.Dict(keys=fields.String(), validate=check_with(checks.object_problem), **kwargs)


class NumberField(fields.Float):
    """A number in JSON. Refuses a text that holds one."""

    def _validated(self, value: Any) -> Any:
        if isinstance(value, str):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class BaseUrlField(fields.String):
    """The address of a server that we may call; loads without a slash at its end."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        if "?" in text or "#" in text:
            raise ValidationError("Must end with its path, without '?' and '#'.")
        try:
            return check_url(text).rstrip("/")
        except ValueError as error:
            raise ValidationError(str(error)) from error


class FunctionSchema(BaseSchema):
    """What the model sees of a function that it may call."""

    name = fields.String(required=True, validate=FUNCTION_NAME, metadata={"example": "find_order"})
    description = text_field(checks.LONGEST_DESCRIPTION, load_default="")
    parameters = object_field(
        load_default=NO_PARAMETERS,
        metadata={"description": "A JSON schema of an object.", "example": NO_PARAMETERS},
    )
    strict = Flag(
        load_default=False,
        attribute="is_strict",
        metadata={"description": "The model must keep to the schema."},
    )


class FunctionArgs(FunctionSchema):
    """A function, in the flat form or inside of `function`."""

    type = fields.String(validate=FUNCTION)
    name = fields.String(validate=FUNCTION_NAME)
    function = fields.Nested(FunctionSchema, metadata={"description": "The other form."})

    @post_load(pass_original=True)
    def make_tool(self, data: dict[str, Any], given: dict[str, Any], **_: Any) -> Tool:
        data.pop("type", None)
        inner = data.pop("function", None)
        twice = given.keys() - {"type", "function"} if inner else ()
        if twice:
            raise ValidationError({name: ["Give it inside of `function` only."] for name in twice})
        if inner is None and "name" not in data:
            raise ValidationError({"name": [MISSING]})
        return Tool(**(inner or data))


class ActionSchema(BaseSchema):
    """The call that a function makes, with placeholders such as `{order_id}`."""

    name = text_field(
        64, required=True, metadata={"description": "The function.", "example": "find_order"}
    )
    method = fields.String(load_default="GET", validate=validate.OneOf(METHODS))
    path = fields.String(
        required=True,
        validate=[validate.Length(max=1000), check_with(checks.path_problem)],
        metadata={
            "description": "Behind actions.base_url. Placeholders are parameters of the function, "
            "`{contact.phone}` and `{contact.id}`.",
            "example": "/orders/{order_id}",
        },
    )
    query = fields.Dict(
        keys=fields.String(),
        load_default=dict,
        validate=check_with(checks.query_problem),
        metadata={"example": {"phone": "{contact.phone}"}},
    )
    body = object_field(load_default=None, allow_none=True, metadata={"example": None})
    effect = choice(
        Effect,
        metadata={
            "description": "By default `read` for GET and `write` for the others. `confirm`: it "
            "changes something, and the customer is asked first.",
        },
    )
    confirmation = fields.Nested(
        TextsArgs,
        load_default=dict,
        metadata={
            "description": "What the customer is asked before a `confirm`, with placeholders. Left "
            "out, the name of the function and its arguments are shown."
        },
    )


class ActionArgs(ActionSchema):
    @post_load
    def make_action(self, data: dict[str, Any], **_: Any) -> Action:
        is_get = data["method"] == "GET"
        if is_get and data["body"] is not None:
            raise ValidationError({"body": ["A GET has no body: use `query`."]})
        effect = Effect(data.pop("effect", Effect.READ if is_get else Effect.WRITE))
        if data["confirmation"] and effect is not Effect.CONFIRM:
            raise ValidationError({"confirmation": ["Only with the effect `confirm`."]})
        return Action(**data, effect=effect)


class AssistantConfigArgs(BaseSchema):
    """The configuration of an assistant as OpenAI had it: defaults for the fields of the bot."""

    name = words_field(100)
    instructions = text_field(LONGEST_INSTRUCTIONS)
    model = words_field(100)
    tools = fields.List(
        fields.Nested(FunctionArgs), validate=validate.Length(max=checks.MOST_TOOLS)
    )
    metadata = object_field()


class ServerArgs(BaseSchema):
    base_url = BaseUrlField(
        allow_none=True,
        validate=validate.Length(max=500),
        metadata={"description": "https; null removes it.", "format": "uri"},
    )
    api_key = fields.String(
        allow_none=True,
        validate=validate.Regexp(
            r"^[!-~]{1,500}$(?!\n)", error="1 to 500 characters without spaces."
        ),
        metadata={"description": "Write only: answers show the last characters. Null removes it."},
    )


OF_ASSISTANT = {
    "name": "name",
    "instructions": "instructions",
    "model": "openai_model",
    "tools": "tools",
    "metadata": "metadata",
}
"""Field of `assistant_config` → the field of the bot that it is a default for."""

OF_DEFINITION = (
    frozenset({"instructions", "openai_model", "max_tokens", "temperature", "reasoning_effort"})
    | {"tools", "actions", "history_messages"}
    | OF_BEHAVIOUR
)


class _BotArgs(BehaviourArgs):
    name = words_field(100)
    phone_number = PhoneField(
        data_key="twilio_phone_number",
        metadata={"description": "The number of one of your channels, which has no other bot."},
    )
    is_enabled = Flag(metadata={"description": "It answers customers; by default true."})
    searches_by_meaning = Flag(
        metadata={
            "description": "Find passages of its documents by their meaning, too; by default "
            "false. Sends the documents and each question to OpenAI's embeddings, which count in "
            "the budget."
        }
    )
    instructions = text_field(
        LONGEST_INSTRUCTIONS, metadata={"description": "What the model is told at first."}
    )
    openai_model = words_field(
        100, metadata={"description": "A name that OpenAI has shut down is answered by another."}
    )
    max_tokens = fields.Integer(
        strict=True,
        validate=validate.Range(min=1, max=32_000),
        metadata={"description": "Tokens of one answer at most; by default 500."},
    )
    temperature = NumberField(allow_none=True, validate=validate.Range(min=0, max=2))
    reasoning_effort = fields.String(
        validate=validate.OneOf(EFFORTS), metadata={"description": "By default none."}
    )
    history_messages = fields.Integer(
        strict=True,
        validate=validate.Range(min=1, max=50),
        metadata={"description": "Earlier messages that the model sees; by default 10."},
    )
    tools = fields.List(
        fields.Nested(FunctionArgs),
        data_key="assistant_functions",
        validate=validate.Length(max=checks.MOST_TOOLS),
        metadata={"description": "The functions that the model may call."},
    )
    actions_called = fields.List(
        fields.Nested(ActionArgs),
        data_key="horizon_actions",
        validate=validate.Length(max=checks.MOST_TOOLS),
        metadata={"description": "What the functions call at actions.base_url."},
    )
    assistant_config = fields.Nested(AssistantConfigArgs)
    metadata = object_field(metadata={"description": "Anything of your own."})
    budget = fields.Nested(BudgetArgs, metadata={"description": "Limits of what the bot may cost."})
    model = fields.Nested(
        ServerArgs, metadata={"description": "A server, or a key, of your own for the model."}
    )
    actions = fields.Nested(ServerArgs, metadata={"description": "The server of the actions."})

    @post_load
    def group(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Return the fields of a definition as `definition`, and the two servers as `servers`."""
        self.use_assistant(data)
        self.check_name(data)
        servers: dict[str, Any] = {
            name: data.pop(name) for name in ("model", "actions") if name in data
        }
        if "actions_called" in data:
            data["actions"] = data.pop("actions_called")
        definition = {name: data.pop(name) for name in OF_DEFINITION & data.keys()}
        for name in ("tools", "actions"):
            if name in definition:
                definition[name] = tuple(definition[name])
        behaviour.group(definition)
        return {**data, "servers": servers, "definition": definition}

    def use_assistant(self, data: dict[str, Any]) -> None:
        """Raises ValidationError where a field is given twice and differs."""
        problems = {}
        for inner, value in data.pop("assistant_config", {}).items():
            outer = OF_ASSISTANT[inner]
            if data.setdefault(outer, value) != value:
                named = self.fields[outer].data_key or outer
                problems[inner] = [f"Differs from {named}: give only one of them."]
        if problems:
            raise ValidationError({"assistant_config": problems})

    def check_name(self, data: dict[str, Any]) -> None:
        """A change may leave the name out."""


class NewBotArgs(_BotArgs):
    phone_number = PhoneField(
        data_key="twilio_phone_number",
        required=True,
        metadata={"description": "The number of one of your channels, which has no other bot."},
    )

    def check_name(self, data: dict[str, Any]) -> None:
        if "name" not in data:
            raise ValidationError({"name": [MISSING]})


class BotChange(_BotArgs):
    pass


class HistoryArgs(BaseSchema):
    role = choice([Role.USER, Role.ASSISTANT], required=True)
    content = words_field(LONGEST_SAID, required=True, metadata={"example": "¡Hola!"})

    @post_load
    def make_said(self, data: dict[str, Any], **_: Any) -> Said:
        return Said(Role(data["role"]), data["content"])


class TryArgs(BaseSchema):
    message = words_field(
        LONGEST_SAID, required=True, metadata={"description": "What the customer writes."}
    )
    history = fields.List(
        fields.Nested(HistoryArgs),
        load_default=list,
        validate=validate.Length(max=MOST_HISTORY),
        metadata={"description": "What was said before, oldest first."},
    )
