from typing import Any
from uuid import UUID

from app.bots import keyword_replies as service
from app.bots.errors import KeywordReplyNotFound
from app.bots.schemas import (
    KeywordReplyArgs,
    KeywordReplyChange,
    KeywordReplyPage,
    KeywordReplySchema,
)
from app.common.caps import LimitReached
from app.common.idempotency import idempotent
from app.common.pagination import Page, PageRequest
from app.common.permissions import Permission
from app.common.principal import principal, requires, session
from app.common.schema import PageArgs
from app.errors import fails_with
from app.extensions import Blueprint
from app.models import KeywordReply

replies = Blueprint("keyword replies", "keyword_replies")


@replies.get("")
@requires(Permission.BOTS_READ)
@replies.arguments(PageArgs, location="query")
@replies.response(200, KeywordReplyPage)
def list_keyword_replies(args: dict[str, Any]) -> Page[KeywordReply]:
    """List keyword replies

    Newest first.
    """
    return service.list_page(session(), PageRequest(**args))


@replies.post("")
@requires(Permission.BOTS_WRITE)
@fails_with(LimitReached)
@idempotent
@replies.arguments(KeywordReplyArgs)
@replies.response(201, KeywordReplySchema)
def create_keyword_reply(body: dict[str, Any]) -> KeywordReply:
    """Create a keyword reply

    A customer's message that begins with one of the keywords, whatever its case, accents and
    punctuation, gets the reply.
    """
    return service.create(session(), principal(), body)


@replies.get("/<uuid:reply_id>")
@requires(Permission.BOTS_READ)
@fails_with(KeywordReplyNotFound)
@replies.response(200, KeywordReplySchema)
def get_keyword_reply(reply_id: UUID) -> KeywordReply:
    """Show a keyword reply"""
    return service.get(session(), reply_id)


@replies.put("/<uuid:reply_id>")
@requires(Permission.BOTS_WRITE)
@fails_with(KeywordReplyNotFound)
@replies.arguments(KeywordReplyChange)
@replies.response(200, KeywordReplySchema)
def change_keyword_reply(body: dict[str, Any], reply_id: UUID) -> KeywordReply:
    """Change a keyword reply

    Fields left out stay as they are.
    """
    return service.change(session(), principal(), reply_id, body)


@replies.delete("/<uuid:reply_id>")
@requires(Permission.BOTS_WRITE)
@fails_with(KeywordReplyNotFound)
@replies.response(204)
def delete_keyword_reply(reply_id: UUID) -> None:
    """Delete a keyword reply"""
    service.remove(session(), principal(), reply_id)
