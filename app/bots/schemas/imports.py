"""What `POST /bots/{bot_id}/import` takes and answers."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from app.bots import checks
from app.bots.schemas.answers import BotSchema, warnings_field
from app.bots.schemas.arguments import BaseUrlField
from app.common.egress import check_url
from app.common.schema import BaseSchema, Flag, text_field


def _checked_url(text: str) -> None:
    """Raises ValidationError."""
    try:
        check_url(text)
    except ValueError as error:
        raise ValidationError(str(error)) from error


class ImportArgs(BaseSchema):
    document = fields.Dict(
        keys=fields.String(),
        load_default=None,
        metadata={"description": "The document of OpenAPI 3.0 or 3.1. Give this or `url`."},
    )
    url = fields.String(
        load_default=None,
        validate=_checked_url,
        metadata={
            "description": "Where the document is, as JSON: a public https address.",
            "format": "uri",
        },
    )
    operations = fields.List(
        text_field(200, shortest=1),
        load_default=None,
        validate=validate.Length(min=1, max=checks.MOST_TOOLS),
        metadata={
            "description": "The operationIds to import. Left out, all operations are listed.",
            "example": ["get_order"],
        },
    )
    dry_run = Flag(
        metadata={
            "description": "Show what would be imported and change nothing; by default true "
            "without `operations`, else false."
        }
    )
    base_url = BaseUrlField(
        load_default=None,
        validate=validate.Length(max=500),
        metadata={
            "description": "Becomes the bot's `actions.base_url`. Left out, that stays as it is.",
            "format": "uri",
        },
    )

    @post_load
    def check(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if (data["document"] is None) == (data["url"] is None):
            raise ValidationError("Give either `document` or `url`.")
        is_list = data["operations"] is None
        if is_list and data.get("dry_run") is False:
            raise ValidationError({"operations": ["Name the operations to import."]})
        return {"dry_run": is_list, **data}


class OperationSchema(BaseSchema):
    operation_id = fields.String(
        required=True,
        metadata={
            "description": "Name it in `operations`. Made of method and path if the document has "
            "none.",
            "example": "get_order",
        },
    )
    name = fields.String(
        required=True, metadata={"description": "The function.", "example": "get_order"}
    )
    method = fields.String(required=True, metadata={"example": "GET"})
    path = fields.String(required=True, metadata={"example": "/orders/{number}"})
    summary = fields.String(required=True, metadata={"example": "Look up an order by its number"})
    can_import = fields.Boolean(required=True)
    reason = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Why it cannot be imported.", "example": None},
    )


class ImportAnswer(BaseSchema):
    data = fields.Nested(BotSchema, required=True, attribute="bot")
    operations = fields.List(
        fields.Nested(OperationSchema),
        required=True,
        metadata={"description": "Those of the document, or the named ones."},
    )
    imported = fields.List(
        fields.String(),
        required=True,
        metadata={
            "description": "The functions that were made; none in a dry run.",
            "example": ["get_order"],
        },
    )
    base_url = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "description": "The server that the document names. It is only shown.",
            "example": "https://shop.example.com",
        },
    )
    warnings = warnings_field()
