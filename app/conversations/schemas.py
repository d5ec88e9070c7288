from marshmallow import fields, validate

from app.channels.providers.registry import PROVIDERS
from app.common.schema import (
    BaseSchema,
    KnownAddressField,
    PageArgs,
    PageSchema,
    choice,
    text_field,
)
from app.conversations.window import Window
from app.messages.schemas import MessageSchema
from app.models import ConversationStatus, Owner

STATUSES = (ConversationStatus.ACTIVE, ConversationStatus.CLOSED)


class ConversationArgs(PageArgs):
    status = choice(STATUSES)
    owner = choice(Owner)
    assigned_to = fields.UUID(
        metadata={"description": "The id of a member (`GET /tenants/me/users`)."}
    )
    channel_id = fields.UUID()
    phone = KnownAddressField()


class ContactSummarySchema(BaseSchema):
    id = fields.UUID(required=True)
    name = fields.String(required=True)
    phone = fields.String(required=True, allow_none=True)
    user_id = fields.String(required=True, allow_none=True)


class ChannelSummarySchema(BaseSchema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Shop"})
    provider = fields.String(required=True, validate=validate.OneOf(list(PROVIDERS)))
    phone_number = fields.String(required=True)


class MemberSummarySchema(BaseSchema):
    id = fields.UUID(required=True)
    username = fields.String(required=True)
    name = fields.String(required=True)


def reason_field() -> fields.String:
    return text_field(
        500,
        load_default="",
        metadata={"description": "Why. It is kept, and stands in the event and the audit log."},
    )


class ReasonArgs(BaseSchema):
    reason = reason_field()


class AssignArgs(ReasonArgs):
    user_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={
            "description": "An active member (`GET /tenants/me/users`); null for no certain one."
        },
    )


class ConversationSchema(BaseSchema):
    id = fields.UUID(required=True)
    is_test = fields.Boolean(
        required=True, metadata={"description": "It holds test messages only."}
    )
    contact = fields.Nested(ContactSummarySchema, required=True)
    channel = fields.Nested(ChannelSummarySchema, required=True)
    status = choice(STATUSES, required=True)
    owner = choice(
        Owner,
        required=True,
        metadata={
            "description": "Who answers. With `human`, nothing answers automatically.",
            "example": "nobody",
        },
    )
    owner_since = fields.DateTime(required=True, allow_none=True)
    owner_reason = fields.String(
        required=True,
        metadata={
            "description": "Why this owner got it: the reason that was given; `bot` when a bot "
            "began to answer; `wrote` when a person wrote where a bot answered; `loop` when a "
            "bot stopped because a machine seems to write to it; `closed`; or `idle` when "
            "nobody had written for HUMAN_IDLE_HOURS."
        },
    )
    assigned_to = fields.Nested(
        MemberSummarySchema,
        required=True,
        allow_none=True,
        metadata={"description": "The member who answers; null for no certain one."},
    )
    message_count = fields.Integer(required=True)
    last_message_at = fields.DateTime(required=True)
    window = choice(
        Window,
        required=True,
        metadata={"description": "Whether free-form messages are allowed: the 24-hour window."},
    )
    window_expires_at = fields.DateTime(
        required=True,
        allow_none=True,
        metadata={
            "description": "When the window closes or closed; null if this person never wrote."
        },
    )
    created_at = fields.DateTime(required=True)
    closed_at = fields.DateTime(required=True, allow_none=True)
    auto_replies_paused_until = fields.DateTime(
        required=True,
        allow_none=True,
        metadata={
            "description": "There were too many automatic replies within an hour, so there are "
            "none until then. Write here or reopen the conversation to end the pause."
        },
    )


class ConversationPage(PageSchema):
    items = fields.List(fields.Nested(ConversationSchema), required=True)


class HistoryPage(PageSchema):
    items = fields.List(fields.Nested(MessageSchema), required=True)
