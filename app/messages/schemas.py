from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.common.schema import (
    AddressField,
    BaseSchema,
    Flag,
    KnownAddressField,
    MomentField,
    PageArgs,
    PageSchema,
    PhoneField,
    choice,
    text_field,
    words_field,
)
from app.messages.content import LONGEST_TEXT, TYPES
from app.messages.send import PRIORITIES
from app.messages.timeline import STEPS
from app.models import Direction, Policy, Sender, Status

CREDENTIALS = ("account_sid", "auth_token")


def content_sid_field(**kwargs: Any) -> fields.String:
    metadata = {
        "description": "The template's id at the provider: HX and 32 hexadecimal digits.",
        "pattern": "^HX[0-9a-fA-F]{32}$",
    }
    return text_field(34, metadata=metadata, **kwargs)


class TemplateArgs(BaseSchema):
    """A template to fall back on."""

    content_sid = content_sid_field(required=True)
    content_variables = fields.Raw(load_default=None, allow_none=True)


class SendOptions(BaseSchema):
    """The options of every send."""

    use_queue = Flag(
        load_default=True,
        metadata={"description": "With false, wait up to 8 s for the provider's answer."},
    )
    from_number = PhoneField(
        metadata={"description": "One of your channels' numbers; by default the default channel's."}
    )
    send_at = fields.AwareDateTime(metadata={"description": "When to send; RFC 3339 with a zone."})
    valid_until = fields.AwareDateTime(
        metadata={"description": "The message is not sent after this time."}
    )
    policy = choice(Policy, load_default=Policy.DEFAULT)
    priority = fields.String(validate=validate.OneOf(PRIORITIES))
    fallback = fields.Nested(
        TemplateArgs,
        metadata={"description": "The template to send instead when the 24-hour window is closed."},
    )


class SendArgs(SendOptions):
    """`POST /api/send`: text, media or a template."""

    to_number = AddressField(metadata={"example": "whatsapp:+15551234567"})
    conversation_id = fields.UUID(
        metadata={"description": "Instead of to_number: the conversation to write in."}
    )
    body = text_field(LONGEST_TEXT, metadata={"example": "¡Hola desde la API!"})
    media_url = text_field(2048, metadata={"format": "uri"})
    content_sid = content_sid_field()
    content_variables = fields.Raw(
        allow_none=True, metadata={"description": "An object, or its JSON text."}
    )

    @validates_schema
    def check_content(self, data: dict[str, Any], **_: Any) -> None:
        if not data.get("to_number") and not data.get("conversation_id"):
            raise ValidationError({"to_number": ["Missing data for required field."]})
        has_text = bool(data.get("body", "").strip())
        if data.get("content_sid"):
            if has_text or data.get("media_url"):
                reason = "A template brings its own text and media: leave out body and media_url."
                raise ValidationError({"content_sid": [reason]})
        elif "content_variables" in data:
            raise ValidationError({"content_variables": ["Only with content_sid."]})
        elif not has_text and not data.get("media_url"):
            raise ValidationError({"body": ["Give body, media_url or content_sid."]})


class SendMessageArgs(SendOptions):
    """`POST /api/send-message`: text."""

    phone = AddressField(required=True)
    message = words_field(LONGEST_TEXT, required=True)
    use_queue = Flag(
        load_default=False,
        metadata={"description": "With false, wait up to 8 s for the provider's answer."},
    )


class SendWhatsAppArgs(BaseSchema):
    """`POST /send_whatsapp`: a template. `account_sid` and `auth_token` are refused."""

    to_number = AddressField(required=True)
    content_sid = content_sid_field(required=True)
    content_variables = fields.Raw(load_default=None, allow_none=True)
    twilio_number = PhoneField(load_default=None)
    account_sid = fields.Raw(metadata={"description": "Refused: store it with POST /channels."})
    auth_token = fields.Raw(metadata={"description": "Refused: store it with POST /channels."})


OUTGOING = tuple(each for each in Status if each is not Status.RECEIVED)


class QueuedSchema(BaseSchema):
    success = fields.Boolean(required=True, metadata={"enum": [True]})
    message_id = fields.UUID(required=True)
    message_sid = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "The provider's id; null while there is none."},
    )
    status = choice(OUTGOING, required=True)


class MessageArgs(PageArgs):
    conversation_id = fields.UUID()
    direction = choice(Direction)
    status = choice(Status)
    phone = KnownAddressField(
        metadata={"description": "Sender or receiver: a customer's address, or a number of yours."}
    )
    since = MomentField(metadata={"description": "At this time or later."})
    until = MomentField(metadata={"description": "Before this time."})
    q = text_field(
        200,
        shortest=1,
        metadata={
            "description": "Text that the body contains, in upper or lower case. Fast from three "
            "letters or digits on."
        },
    )


class MediaSchema(BaseSchema):
    url = fields.String(
        required=True,
        metadata={"description": "Yours, or the provider's; it wants the channel's credentials."},
    )
    mime_type = fields.String(required=True, metadata={"description": "Empty if it is not known."})


class ProblemSchema(BaseSchema):
    """Why a message failed, or what delays it."""

    code = fields.String(required=True)
    cause = fields.String(required=True)
    remedy = fields.String(required=True)
    provider_code = fields.String(required=True, allow_none=True)


class MessageSchema(BaseSchema):
    id = fields.UUID(required=True)
    message_sid = fields.String(attribute="provider_message_id", required=True, allow_none=True)
    conversation_id = fields.UUID(required=True)
    direction = choice(Direction, required=True, metadata={"example": "outgoing"})
    from_number = fields.String(required=True)
    to_number = fields.String(required=True)
    type = fields.String(required=True, validate=validate.OneOf(TYPES))
    body = fields.String(
        required=True, metadata={"description": "The text, or the caption; empty without one."}
    )
    media = fields.List(
        fields.Nested(MediaSchema),
        attribute="content.media",
        dump_default=list,
        required=True,
        metadata={"example": []},
    )
    content = fields.Dict(
        required=True,
        metadata={
            "description": "All of it: `type`, `body`, and what this type has besides, such as "
            "`template`, `latitude` and `longitude`, or the `id` and `title` of a button."
        },
    )
    status = choice(Status, required=True, metadata={"example": "delivered"})
    error = fields.Nested(ProblemSchema, required=True, allow_none=True)
    sender = choice(
        Sender,
        required=True,
        metadata={
            "description": "`user`: a member; `api`: an API key; `bot`: a keyword reply.",
            "example": "api",
        },
    )
    is_test = fields.Boolean(
        required=True, metadata={"description": "Of a test key: it never reaches a phone."}
    )
    created_at = fields.DateTime(required=True)
    scheduled_for = fields.DateTime(
        attribute="due_at",
        required=True,
        allow_none=True,
        metadata={"description": "When it is to be sent; null for an incoming one."},
    )
    sent_at = fields.DateTime(required=True, allow_none=True)
    delivered_at = fields.DateTime(required=True, allow_none=True)
    read_at = fields.DateTime(required=True, allow_none=True)


class MessagePage(PageSchema):
    messages = fields.List(fields.Nested(MessageSchema), attribute="items", required=True)


class StepSchema(BaseSchema):
    at = fields.DateTime(required=True)
    step = fields.String(
        required=True,
        validate=validate.OneOf(STEPS),
        metadata={"example": "attempt accepted by the provider"},
    )
    attempt = fields.Integer(
        required=True,
        allow_none=True,
        metadata={"description": "The number of the attempt that this step belongs to."},
    )
    message_sid = fields.String(required=True, allow_none=True)
    error = fields.Nested(ProblemSchema, required=True, allow_none=True)


class TimelineSchema(BaseSchema):
    message = fields.Nested(MessageSchema, required=True)
    steps = fields.List(fields.Nested(StepSchema), required=True)


class SettleArgs(BaseSchema):
    outcome = fields.String(
        required=True,
        validate=validate.OneOf(["arrived", "did_not_arrive", "send_again"]),
        metadata={
            "description": "What a person found out: `arrived` makes it delivered, "
            "`did_not_arrive` makes it failed, `send_again` queues it once more."
        },
    )
