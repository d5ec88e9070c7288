"""What bots remember of a contact, as it is answered."""

from marshmallow import fields

from app.ai.types import Role
from app.common.schema import BaseSchema, choice
from app.models import Owner


class RememberedMessageSchema(BaseSchema):
    role = choice(
        [Role.USER, Role.ASSISTANT],
        required=True,
        metadata={"description": "`user` is the customer."},
    )
    text = fields.String(
        required=True,
        metadata={
            "description": "As the model reads it: media are named.",
            "example": "Where is my order?",
        },
    )


class RememberedConversationSchema(BaseSchema):
    id = fields.UUID(required=True)
    channel_id = fields.UUID(required=True)
    bot_id = fields.UUID(
        required=True,
        allow_none=True,
        metadata={"description": "The channel's bot; null if it has none, and nothing is read."},
    )
    owner = choice(Owner, required=True)
    history_from = fields.DateTime(
        required=True,
        allow_none=True,
        metadata={"description": "What was said before is not read; null: everything may be."},
    )
    summary = fields.String(
        required=True,
        metadata={
            "description": "What was said before them, in short; empty unless the bot "
            "`keeps_summary`.",
            "example": "",
        },
    )
    remembered_messages = fields.Integer(
        required=True, metadata={"description": "How many are read.", "example": 1}
    )
    newest = fields.List(
        fields.Nested(RememberedMessageSchema),
        required=True,
        metadata={"description": "The last five of them, oldest first."},
    )


class ClientSchema(BaseSchema):
    phone = fields.String(
        required=True, allow_none=True, metadata={"description": "null if it is not known."}
    )
    user_id = fields.String(
        required=True, allow_none=True, metadata={"description": "WhatsApp's id of the person."}
    )
    contact_id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Ana"})
    conversations = fields.List(
        fields.Nested(RememberedConversationSchema),
        required=True,
        metadata={"description": "At most 50, the one with the newest message first."},
    )
    turns = fields.Integer(
        required=True,
        metadata={"description": "Of these conversations, as far as still recorded.", "example": 1},
    )
    last_turn_at = fields.DateTime(
        required=True,
        allow_none=True,
        metadata={"description": "When the customer's message came that the newest turn answers."},
    )


class ClientAnswer(BaseSchema):
    data = fields.Nested(ClientSchema, required=True)
