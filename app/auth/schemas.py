"""The schemas of signing in and of API keys."""

from typing import Any

from marshmallow import ValidationError, fields, validate

from app.auth.api_keys import scope_names
from app.auth.errors import MissingCredentials
from app.common.permissions import SCOPES, Permission
from app.common.principal import CallerType
from app.common.schema import BaseSchema, PageSchema, choice, text_field
from app.models import KeyMode, Role
from app.models.tenant import LANGUAGES


class LoginSchema(BaseSchema):
    username = text_field(200, required=True)
    password = text_field(1000, required=True, metadata={"format": "password"})
    code = text_field(
        40,
        load_default=None,
        allow_none=True,
        metadata={"description": "Of the second factor: six digits, or a recovery code."},
    )

    def handle_error(self, error: ValidationError, data: Any, **_: Any) -> None:
        """Answer 400 when a field is missing, as older clients expect, and 422 otherwise."""
        if isinstance(data, dict) and set(data) <= set(self.fields):
            refuse_missing(data, error)


def refuse_missing(data: dict[str, Any], cause: Exception | None = None) -> None:
    """Raises MissingCredentials, naming the fields that are missing or empty."""
    absent = [name for name in ("username", "password") if data.get(name) in (None, "")]
    if absent:
        reasons = {name: ["Missing data for required field."] for name in absent}
        raise MissingCredentials(details={"fields": reasons}) from cause


class RefreshSchema(BaseSchema):
    refresh_token = text_field(4096, shortest=1, required=True)


class TokenPairSchema(BaseSchema):
    access_token = fields.String(required=True)
    refresh_token = fields.String(
        required=True,
        metadata={"description": "Valid for one refresh, which returns the next one."},
    )
    token_type = fields.String(required=True, validate=validate.Equal("Bearer"))
    expires_in = fields.Integer(
        required=True, metadata={"description": "Seconds until the access token expires."}
    )


class ChangePasswordSchema(BaseSchema):
    current_password = text_field(1000, shortest=1, required=True)
    new_password = text_field(200, required=True, metadata={"description": "8 to 200 characters."})


class OwnPasswordSchema(BaseSchema):
    current_password = text_field(1000, shortest=1, required=True)


class CodeSchema(BaseSchema):
    code = text_field(40, shortest=1, required=True, metadata={"example": "123456"})


class RemoveSecondFactorSchema(OwnPasswordSchema, CodeSchema):
    pass


class EnrolmentSchema(BaseSchema):
    secret = fields.String(required=True)
    uri = fields.String(required=True, metadata={"description": "For a QR code: `otpauth://…`."})


class RecoveryCodesSchema(BaseSchema):
    recovery_codes = fields.List(fields.String(), required=True)


class SignInSchema(BaseSchema):
    id = fields.UUID(required=True)
    address = fields.String(
        required=True, metadata={"description": "The network that it was last used from."}
    )
    user_agent = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)
    last_used_at = fields.AwareDateTime(
        required=True, metadata={"description": "When its tokens were last exchanged."}
    )
    expires_at = fields.AwareDateTime(required=True)
    is_current = fields.Boolean(
        required=True, metadata={"description": "Whether this request belongs to it."}
    )


class SignInPage(PageSchema):
    items = fields.List(fields.Nested(SignInSchema), required=True)


class OwnTenantSchema(BaseSchema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Bakery"})
    timezone = fields.String(required=True)
    language = fields.String(required=True, validate=validate.OneOf(LANGUAGES))


class MeSchema(BaseSchema):
    type = choice(CallerType, required=True)
    id = fields.UUID(required=True)
    username = fields.String(
        required=True, allow_none=True, metadata={"description": "null for an API key."}
    )
    name = fields.String(required=True)
    role = fields.Enum(
        Role,
        by_value=True,
        required=True,
        allow_none=True,
        metadata={"description": "null for an API key.", "example": "agent"},
    )
    mode = choice(
        KeyMode, required=True, allow_none=True, metadata={"description": "null for a person."}
    )
    permissions = fields.List(
        choice(Permission),
        required=True,
        metadata={"example": ["messages:read", "messages:send", "profile"]},
    )
    has_second_factor = fields.Boolean(required=True)
    tenant = fields.Nested(OwnTenantSchema, required=True)


class NewApiKeySchema(BaseSchema):
    name = text_field(100, shortest=1, required=True, metadata={"example": "Online shop"})
    mode = fields.Enum(
        KeyMode,
        by_value=True,
        load_default=KeyMode.LIVE,
        metadata={"description": "Messages of a `test` key never reach a phone."},
    )
    scopes = fields.List(
        fields.String(validate=validate.OneOf(scope_names())),
        load_default=None,
        validate=validate.Length(max=50),
        metadata={"description": "Default: all that you may grant."},
    )
    expires_at = fields.AwareDateTime(
        load_default=None, metadata={"description": "Default: never."}
    )


class ScopesField(fields.List[Any]):
    """The scopes of a key that grant something: a scope that is gone is left out."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choice(sorted(SCOPES)), **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        known = [scope for scope in value if scope in SCOPES]
        return super()._serialize(known, attr, obj, **kwargs)


class ApiKeySchema(BaseSchema):
    id = fields.UUID(required=True)
    name = fields.String(required=True, metadata={"example": "Online shop"})
    mode = choice(KeyMode, required=True)
    prefix = fields.String(
        required=True,
        metadata={"description": "The 12 characters after `rk_live_`. They are not secret."},
    )
    scopes = ScopesField(required=True, metadata={"example": ["messages:read", "messages:send"]})
    created_at = fields.AwareDateTime(required=True)
    created_by = fields.UUID(
        required=True, allow_none=True, metadata={"description": "The member who created it."}
    )
    expires_at = fields.AwareDateTime(required=True, allow_none=True)
    last_used_at = fields.AwareDateTime(
        required=True, allow_none=True, metadata={"description": "To the minute."}
    )


class CreatedApiKeySchema(ApiKeySchema):
    key = fields.String(
        required=True, metadata={"description": "The whole key. It is shown only once."}
    )


class ApiKeyPage(PageSchema):
    items = fields.List(fields.Nested(ApiKeySchema), required=True)
