from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID

from flask import request
from marshmallow import Schema, ValidationError

from app.bots import service as bots
from app.bots.errors import BotNotFound
from app.common.caps import LimitReached
from app.common.idempotency import idempotent
from app.common.pagination import Page, PageRequest
from app.common.permissions import Permission
from app.common.principal import commit_request, principal, requires, session
from app.common.schema import PageArgs
from app.errors import InvalidInput, fails_with, flatten_messages
from app.extensions import Blueprint, StrictParser
from app.knowledge import documents, schemas, search, uploads
from app.knowledge.documents import DocumentDetails
from app.knowledge.errors import DocumentExists, DocumentNotFound
from app.knowledge.search import Found

knowledge = Blueprint("knowledge", __name__)

Answer = dict[str, Any]

FORM = "multipart/form-data"
AROUND_A_FILE = 64 * 1024
"""Bytes of an upload's other fields and of its form."""

parser = StrictParser()


@knowledge.before_request
def accept_files() -> None:
    """Let a form be as large as a file may be; other bodies keep the limit of the service."""
    if request.mimetype == FORM:
        request.max_content_length = uploads.LARGEST_FILE + AROUND_A_FILE


def takes_document(
    text: type[Schema], upload: type[Schema], form: dict[str, Any]
) -> Callable[..., Any]:
    """Pass the view its body: JSON by the schema `text`, or a form with a file by `upload`.

    `form` describes the latter in OpenAPI.
    """
    by_text, by_upload = text(), upload()

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def reading(*args: Any, **kwargs: Any) -> Any:
            if request.mimetype == FORM:
                body = _load_form(by_upload)
            else:
                body = parser.parse(by_text, request, location="json")
            return view(body, *args, **kwargs)

        content = {"application/json": {"schema": text}, FORM: form}
        described: Callable[..., Any] = knowledge.doc(requestBody={"content": content})(reading)
        return described

    return decorate


def _load_form(schema: Schema) -> Any:
    """Raises InvalidInput."""
    try:
        return schema.load({**request.form.to_dict(), **request.files.to_dict()})
    except ValidationError as error:
        raise InvalidInput(flatten_messages({"form": error.messages})) from error


@knowledge.get("")
@requires(Permission.BOTS_READ)
@fails_with(BotNotFound)
@knowledge.arguments(PageArgs, location="query")
@knowledge.response(200, schemas.DocumentPage)
def list_documents(args: dict[str, Any], bot_id: UUID) -> Page[DocumentDetails]:
    """List the documents of a bot

    Newest first, without their texts.
    """
    return documents.list_documents(session(), bot_id, PageRequest(**args))


@knowledge.post("")
@requires(Permission.BOTS_WRITE)
@fails_with(BotNotFound, DocumentExists, LimitReached)
@idempotent
@takes_document(schemas.NewDocumentArgs, schemas.UploadArgs, schemas.UPLOAD)
@knowledge.response(201, schemas.DocumentAnswer)
def add_document(body: dict[str, Any], bot_id: UUID) -> Answer:
    """Add a document to a bot

    A text as JSON, or a file (.txt, .md or .pdf) as a form. The bot quotes from it once it is
    `ready`: a short text at once, a PDF or a long text when a worker has read it.
    """
    content = uploads.content_of(body)
    title = body.get("title") or uploads.title_of(body["file"][0]) or "Document"
    return {"data": documents.add(session(), principal(), bot_id, title, content)}


@knowledge.get("/search")
@requires(Permission.BOTS_READ)
@fails_with(BotNotFound)
@knowledge.arguments(schemas.QueryArgs, location="query")
@knowledge.response(200, schemas.SearchAnswer)
def search_knowledge(args: dict[str, Any], bot_id: UUID) -> Found:
    """Search the documents of a bot

    Shows what the model gets of the documents when a customer writes this.
    """
    by_meaning = bots.meaning_for(session(), bot_id)
    commit_request()
    return search.look_up(principal().tenant_id, bot_id, [args["q"]], by_meaning=by_meaning)


@knowledge.get("/<uuid:document_id>")
@requires(Permission.BOTS_READ)
@fails_with(DocumentNotFound)
@knowledge.response(200, schemas.DocumentDetailsAnswer)
def get_document(bot_id: UUID, document_id: UUID) -> Answer:
    """Show a document of a bot

    With the beginning of its text.
    """
    return {"data": documents.get_document(session(), bot_id, document_id)}


@knowledge.put("/<uuid:document_id>")
@requires(Permission.BOTS_WRITE)
@fails_with(DocumentNotFound, DocumentExists, LimitReached, InvalidInput)
@takes_document(schemas.DocumentChange, schemas.UploadChange, schemas.UPLOAD_CHANGE)
@knowledge.response(200, schemas.DocumentAnswer)
def change_document(body: dict[str, Any], bot_id: UUID, document_id: UUID) -> Answer:
    """Change a document of a bot

    Another title, another text or file, or both. The former text is not quoted any more.
    """
    content = uploads.change_of(body)
    changed = documents.change(
        session(), principal(), bot_id, document_id, body.get("title"), content
    )
    return {"data": changed}


@knowledge.delete("/<uuid:document_id>")
@requires(Permission.BOTS_WRITE)
@fails_with(DocumentNotFound)
@knowledge.response(204)
def delete_document(bot_id: UUID, document_id: UUID) -> None:
    """Delete a document of a bot

    Answers that quoted it stay.
    """
    documents.remove(session(), principal(), bot_id, document_id)
