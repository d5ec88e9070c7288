"""Reading messages, and the actions of a person on one."""

from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import Session

from app import db
from app.channels.providers.base import ProviderError
from app.common import audit
from app.common.pagination import Page, PageRequest
from app.common.principal import Principal
from app.conversations import service as conversations
from app.messages import lifecycle, lists, repository, search
from app.messages.errors import CannotCancel, CannotSettle, MessageNotFound
from app.messages.lists import MessageFilter
from app.models import Message, Status
from app.tasks import names
from app.tasks.ring import ring

IN_DOUBT = frozenset({Status.UNCERTAIN, Status.UNKNOWN})

SETTLED_BY_HAND = ProviderError(
    code="settled_by_hand",
    cause="A person reported that this message did not arrive.",
    remedy="Send it again as a new message if it is still needed.",
)


def get(session: Session, message_id: UUID) -> Message:
    """Raises MessageNotFound."""
    found = repository.get(session, db.tenant_of(session), message_id)
    if found is None:
        raise MessageNotFound
    return found


def list_page(session: Session, args: dict[str, Any]) -> Page[Message]:
    """Return one page of messages for `args`, the query of GET /api/messages.

    A search also enqueues the task that writes the blocks which make the next search fast.
    """
    wanted = dict(args)
    page = PageRequest(wanted.pop("limit"), wanted.pop("cursor"))
    if search.pieces(wanted.get("q", "")):
        ring(session, names.INDEX_TEXT, db.tenant_of(session))
    return lists.list_page(session, MessageFilter(**wanted), page)


def history(session: Session, conversation_id: UUID, page: PageRequest) -> Page[Message]:
    """Return one page of the messages of a conversation, oldest first. Raises
    ConversationNotFound."""
    conversations.get(session, conversation_id)
    return lists.history_page(session, conversation_id, page)


def cancel(session: Session, actor: Principal, message_id: UUID) -> Message:
    """Cancel a queued message. Raises MessageNotFound, CannotCancel."""
    message = _lock(session, message_id)
    if not lifecycle.cancel(session, message):
        raise CannotCancel.at(message.status)
    audit.record(session, actor, "message.canceled", ("message", message_id))
    return message


def settle(session: Session, actor: Principal, message_id: UUID, outcome: str) -> Message:
    """Apply a person's decision on an uncertain or unknown message. Raises MessageNotFound,
    CannotSettle.

    `outcome` is one of `arrived`, `did_not_arrive` and `send_again`.
    """
    message = _lock(session, message_id)
    if message.status not in IN_DOUBT:
        raise CannotSettle(details={"status": message.status})
    audit.record(session, actor, "message.settled", ("message", message_id), {"outcome": outcome})
    if outcome == "arrived":
        lifecycle.report(session, message, Status.DELIVERED)
    elif outcome == "did_not_arrive":
        lifecycle.write_off(session, message, SETTLED_BY_HAND)
    else:
        lifecycle.resend(session, message)
        message.due_at = func.now()
        message.error = None
    session.flush()
    session.refresh(message)
    # It delayed its conversation, whatever the outcome.
    ring(session, names.DELIVER_CHANNEL, db.tenant_of(session), message.channel_id)
    return message


def _lock(session: Session, message_id: UUID) -> Message:
    """Return the message, locked. Raises MessageNotFound."""
    message = repository.lock(session, db.tenant_of(session), message_id)
    if message is None:
        raise MessageNotFound
    return message
