"""What the calls of `/bots/{bot_id}/knowledge` take and answer."""

from typing import Any

from marshmallow import ValidationError, fields, validate
from werkzeug.datastructures import FileStorage

from app.common.schema import BaseSchema, PageSchema, choice, words_field
from app.knowledge.errors import MOST_CHARACTERS
from app.knowledge.uploads import LONGEST_TITLE
from app.models import DocumentKind, DocumentState

LONGEST_QUERY = 500


class FileField(fields.Field[tuple[str, bytes]]):
    """An uploaded file; loads to its name and its bytes."""

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> tuple[str, bytes]:
        if not isinstance(value, FileStorage):
            raise ValidationError("Must be a file.")
        return value.filename or "", value.read()


def title_field(**kwargs: Any) -> fields.String:
    return words_field(LONGEST_TITLE, metadata={"example": "Shipping"}, **kwargs)


def text_field(**kwargs: Any) -> fields.String:
    described = "Plain text, or Markdown: a chunk keeps the headings above it."
    return words_field(MOST_CHARACTERS, metadata={"description": described}, **kwargs)


class NewDocumentArgs(BaseSchema):
    title = title_field(required=True)
    text = text_field(required=True)


class DocumentChange(BaseSchema):
    title = title_field()
    text = text_field()


class UploadArgs(BaseSchema):
    title = title_field()
    file = FileField(required=True)


class UploadChange(UploadArgs):
    file = FileField()


UPLOAD: dict[str, Any] = {
    "schema": {
        "type": "object",
        "properties": {
            "title": {
                "type": "string",
                "minLength": 1,
                "maxLength": LONGEST_TITLE,
                "description": "By default the name of the file.",
            },
            "file": {
                "type": "string",
                "format": "binary",
                "description": "A .txt, .md or .pdf file of at most 5 MB.",
            },
        },
        "required": ["file"],
        "additionalProperties": False,
    },
    "example": {"title": "Prices", "file": "prices.pdf"},
}
"""The body of an upload, in OpenAPI."""

UPLOAD_CHANGE: dict[str, Any] = {
    **UPLOAD,
    "schema": {name: rule for name, rule in UPLOAD["schema"].items() if name != "required"},
}


class QueryArgs(BaseSchema):
    q = words_field(
        LONGEST_QUERY, required=True, metadata={"description": "What a customer would write."}
    )


class UnreadableSchema(BaseSchema):
    code = fields.String(required=True, metadata={"example": "encrypted"})
    message = fields.String(
        required=True, metadata={"example": "The PDF has a password. Save it without one."}
    )


class DocumentSchema(BaseSchema):
    id = fields.UUID(required=True)
    title = fields.String(required=True, metadata={"example": "Shipping"})
    kind = choice(DocumentKind, required=True)
    state = choice(
        [DocumentState.READY, DocumentState.PROCESSING, DocumentState.FAILED],
        required=True,
        metadata={"description": "`processing`: it is read soon. `failed`: `error` says why."},
    )
    error = fields.Nested(UnreadableSchema, required=True, allow_none=True)
    size = fields.Integer(
        required=True, metadata={"description": "Bytes as they came.", "example": 2048}
    )
    characters = fields.Integer(required=True, metadata={"example": 1980})
    chunks = fields.Integer(
        required=True, metadata={"description": "Parts that can be quoted.", "example": 3}
    )
    created_at = fields.DateTime(required=True)
    updated_at = fields.DateTime(required=True)


class DocumentDetailsSchema(DocumentSchema):
    excerpt = fields.String(
        required=True,
        metadata={
            "description": "The beginning of its text; empty until it is ready.",
            "example": "Shipping costs $99, and nothing from $500.",
        },
    )


class DocumentAnswer(BaseSchema):
    data = fields.Nested(DocumentSchema, required=True)


class DocumentDetailsAnswer(BaseSchema):
    data = fields.Nested(DocumentDetailsSchema, required=True)


class DocumentPage(PageSchema):
    data = fields.List(fields.Nested(DocumentSchema), required=True, attribute="items")


class SourceSchema(BaseSchema):
    """A chunk of a document, without its text."""

    chunk_id = fields.UUID(required=True)
    document_id = fields.UUID(required=True)
    title = fields.String(required=True, metadata={"example": "Shipping"})
    heading = fields.String(
        required=True,
        metadata={
            "description": "The headings above it, or the page of a PDF; may be empty.",
            "example": "Costs > Abroad",
        },
    )
    position = fields.Integer(
        required=True,
        validate=validate.Range(min=1),
        metadata={"description": "Its number in the document.", "example": 1},
    )


class PassageSchema(SourceSchema):
    text = fields.String(required=True, metadata={"example": "Shipping to Peru costs $20."})
    score = fields.Float(
        required=True,
        metadata={"description": "Compares the passages of one search.", "example": 4.2},
    )


class SearchAnswer(BaseSchema):
    data = fields.List(fields.Nested(PassageSchema), required=True, attribute="passages")
    given = fields.String(
        required=True,
        attribute="quotation",
        metadata={
            "description": "The text that the model gets; empty if nothing was found.",
            "example": "Passages from documents of the business …",
        },
    )
