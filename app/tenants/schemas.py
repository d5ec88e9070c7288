"""The schemas of tenants, their users and their audit log."""

import unicodedata
from typing import Any

from marshmallow import ValidationError, fields, validate

from app.bots.schemas.budget import LimitsArgs, LimitsSchema
from app.common.schema import BaseSchema, Flag, PageSchema, choice, text_field
from app.models import ActorType, Role, TenantStatus, UserStatus
from app.models.tenant import LANGUAGES
from app.tenants.naming import is_timezone, is_username

LARGEST_QUOTA = 1_000_000_000


class UsernameField(fields.String):
    """3 to 64 printable characters without spaces, normalized."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = unicodedata.normalize("NFKC", super()._deserialize(value, attr, data, **kwargs))
        if not is_username(text):
            raise ValidationError("Use 3 to 64 printable characters without spaces.")
        return text


def timezone_field(**kwargs: Any) -> fields.String:
    return fields.String(
        validate=check_timezone, metadata={"example": "America/Mexico_City"}, **kwargs
    )


def check_timezone(name: str) -> None:
    """Raises ValidationError."""
    if not is_timezone(name):
        raise ValidationError("Give an IANA time zone such as America/Mexico_City.")


def language_field(**kwargs: Any) -> fields.String:
    return fields.String(validate=validate.OneOf(LANGUAGES), **kwargs)


def quota_field(**kwargs: Any) -> fields.Integer:
    return fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(min=0, max=LARGEST_QUOTA),
        metadata={"description": "Messages a day; null for no limit."},
        **kwargs,
    )


def password_field(**kwargs: Any) -> fields.String:
    metadata = {"description": "8 to 200 characters.", "format": "password"}
    return text_field(200, metadata=metadata, **kwargs)


def name_field(**kwargs: Any) -> fields.String:
    return text_field(200, shortest=1, **kwargs)


class FirstOwnerSchema(BaseSchema):
    username = UsernameField(required=True)
    password = password_field(required=True)
    name = text_field(200, load_default="")


class NewTenantSchema(BaseSchema):
    name = name_field(required=True)
    timezone = timezone_field(load_default="UTC")
    language = language_field(load_default="es")
    daily_message_quota = quota_field(load_default=None)
    owner = fields.Nested(
        FirstOwnerSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "The first person who can sign in."},
    )


class OwnTenantChangesSchema(BaseSchema):
    """Fields left out stay."""

    name = name_field()
    timezone = timezone_field()
    language = language_field()


class TenantChangesSchema(OwnTenantChangesSchema):
    """Fields left out stay."""

    daily_message_quota = quota_field()
    bot_budget = fields.Nested(
        LimitsArgs, metadata={"description": "Limits of what all its bots together may cost."}
    )
    status = fields.Enum(TenantStatus, by_value=True)


class TenantSchema(BaseSchema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Bakery"})
    status = choice(TenantStatus, required=True)
    timezone = fields.String(required=True)
    language = language_field(required=True)
    daily_message_quota = fields.Integer(required=True, allow_none=True)
    bot_budget = fields.Nested(
        LimitsSchema,
        required=True,
        metadata={
            "description": "Limits of what all its bots together may cost. For those that are "
            "null, the installation has its own."
        },
    )
    created_at = fields.AwareDateTime(required=True)
    updated_at = fields.AwareDateTime(required=True)


class TenantPage(PageSchema):
    items = fields.List(fields.Nested(TenantSchema), required=True)


class NewUserSchema(BaseSchema):
    username = UsernameField(required=True)
    password = password_field(required=True)
    name = text_field(200, load_default="")
    role = fields.Enum(Role, by_value=True, required=True)


class UserChangesSchema(BaseSchema):
    """Fields left out stay."""

    name = text_field(200)
    role = fields.Enum(Role, by_value=True)
    status = fields.Enum(UserStatus, by_value=True)
    password = password_field()
    has_second_factor = Flag(
        validate=validate.Equal(False, error="Only the person can set one up."),
        metadata={"description": "`false` removes it, for somebody who lost the phone."},
    )


class UserSchema(BaseSchema):
    id = fields.UUID(required=True)
    username = fields.String(required=True)
    name = fields.String(required=True)
    role = choice(Role, required=True, metadata={"example": "agent"})
    status = choice(UserStatus, required=True)
    has_second_factor = fields.Boolean(required=True)
    last_login_at = fields.AwareDateTime(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)


class RemovalArgs(BaseSchema):
    revoke_api_keys = fields.Boolean(
        load_default=None,
        metadata={
            "description": "What becomes of the API keys that the member created. Required if "
            "there are any."
        },
    )


class UserPage(PageSchema):
    items = fields.List(fields.Nested(UserSchema), required=True)


class AuditEntrySchema(BaseSchema):
    id = fields.UUID(required=True)
    created_at = fields.AwareDateTime(required=True)
    actor_type = choice(
        ActorType,
        required=True,
        metadata={"description": "`platform`: somebody of the installation."},
    )
    actor_id = fields.UUID(required=True, allow_none=True)
    actor_name = fields.String(required=True)
    action = fields.String(required=True, metadata={"example": "user.created"})
    subject_type = fields.String(required=True)
    subject_id = fields.UUID(required=True, allow_none=True)
    changes = fields.Dict(required=True)
    request_id = fields.String(required=True, allow_none=True)


class AuditPage(PageSchema):
    items = fields.List(fields.Nested(AuditEntrySchema), required=True)
