from marshmallow import fields, validate

from app.common.schema import BaseSchema, Flag, PageSchema, text_field, words_field
from app.messages.content import LONGEST_TEXT

MOST_KEYWORDS = 50


class KeywordReplyArgs(BaseSchema):
    keywords = fields.List(
        text_field(60, shortest=1),
        required=True,
        validate=validate.Length(min=1, max=MOST_KEYWORDS),
        metadata={
            "description": "A message that begins with one of these gets the reply.",
            "example": ["hola"],
        },
    )
    reply = words_field(LONGEST_TEXT, required=True)
    is_enabled = Flag(load_default=True)


class KeywordReplyChange(BaseSchema):
    keywords = fields.List(
        text_field(60, shortest=1), validate=validate.Length(min=1, max=MOST_KEYWORDS)
    )
    reply = words_field(LONGEST_TEXT)
    is_enabled = Flag()


class KeywordReplySchema(BaseSchema):
    id = fields.UUID(required=True)
    keywords = fields.List(fields.String(), required=True)
    reply = fields.String(required=True)
    is_enabled = fields.Boolean(required=True)
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class KeywordReplyPage(PageSchema):
    items = fields.List(fields.Nested(KeywordReplySchema), required=True)
