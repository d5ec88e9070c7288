"""The schemas of `/channels`. A provider checks its own credentials."""

from marshmallow import fields, validate

from app.channels.providers.registry import PROVIDERS
from app.common.schema import BaseSchema, Flag, PageSchema, PhoneField, choice, text_field
from app.models import ChannelStatus

FASTEST = 400
"""Messages per second: the most that a provider grants on request (Twilio, for text)."""

CREDENTIALS = " ".join(
    [
        *(f"For {name}: {provider.credentials_help}" for name, provider in PROVIDERS.items()),
        "Write only: answers show the last characters.",
    ]
)


def credentials_field(*, required: bool = False) -> fields.Dict:
    return fields.Dict(
        keys=text_field(64),
        values=text_field(2000, allow_none=True),
        metadata={"description": CREDENTIALS},
        required=required,
    )


def provider_field(*, required: bool = False, **metadata: str) -> fields.String:
    """A provider's name. The service refuses unknown ones, because it can say why."""
    return text_field(32, required=required, metadata={"enum": list(PROVIDERS), **metadata})


class _ChannelSettings(BaseSchema):
    name = text_field(100)
    messages_per_second = fields.Integer(
        strict=True,
        validate=validate.Range(min=1, max=FASTEST),
        metadata={"description": "Messages per second that this sender may send."},
    )
    is_default = Flag(
        metadata={"description": "The channel that is used when no from_number is given."}
    )
    status = choice(ChannelStatus)


class NewChannelSchema(_ChannelSettings):
    provider = provider_field(required=True)
    phone_number = PhoneField(required=True)
    credentials = credentials_field(required=True)


class ChannelChangeSchema(_ChannelSettings):
    provider = provider_field(description="Must stay as it is.")
    phone_number = PhoneField(metadata={"description": "Must stay as it is."})
    credentials = credentials_field()


class TroubleSchema(BaseSchema):
    """Why the provider accepts no messages of a channel, and what to do."""

    code = fields.String(required=True)
    cause = fields.String(required=True)
    remedy = fields.String(required=True)
    provider_code = fields.String(required=True, allow_none=True)
    since = fields.AwareDateTime(required=True)
    paused_until = fields.AwareDateTime(
        required=True,
        metadata={"description": "Nothing is sent before this time; then one message is tried."},
    )


class ChannelSchema(BaseSchema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Shop"})
    provider = fields.String(required=True, validate=validate.OneOf(list(PROVIDERS)))
    phone_number = fields.String(required=True)
    credentials = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        required=True,
        metadata={"description": "The stored credentials, by their last characters."},
    )
    webhook_url = fields.String(
        required=True,
        metadata={"description": "Paste it at the provider as it is, with all behind the '#'."},
    )
    messages_per_second = fields.Integer(required=True)
    is_default = fields.Boolean(required=True)
    status = choice(ChannelStatus, required=True)
    trouble = fields.Nested(
        TroubleSchema,
        required=True,
        allow_none=True,
        metadata={"description": "null while messages can be sent. Messages wait meanwhile."},
    )
    verified_at = fields.AwareDateTime(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)
    updated_at = fields.AwareDateTime(required=True)


class ChannelPage(PageSchema):
    items = fields.List(fields.Nested(ChannelSchema), required=True)


class VerificationSchema(BaseSchema):
    verified = fields.Boolean(
        required=True,
        metadata={
            "description": "The credentials are valid, and the sender is not known to be "
            "somebody else's."
        },
    )
    credentials_valid = fields.Boolean(required=True)
    owns_sender = fields.Boolean(
        required=True,
        allow_none=True,
        metadata={"description": "null if the provider does not say."},
    )
    detail = fields.String(required=True)
    checked_at = fields.AwareDateTime(required=True)
