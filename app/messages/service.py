"""The functions of messages that other features use."""

from uuid import UUID

from sqlalchemy.orm import Session

from app import db
from app.messages import repository, search
from app.messages.quota import recount_today
from app.messages.reading import history
from app.messages.receipts import ReceivedReceipt, apply_group
from app.messages.receive import receive
from app.messages.reports import apply_receipt
from app.messages.repository import attempt
from app.messages.route import Order
from app.messages.send import queue_message
from app.models import Message

__all__ = [
    "Order",
    "ReceivedReceipt",
    "apply_group",
    "apply_receipt",
    "attempt",
    "history",
    "index_text",
    "lock",
    "queue_message",
    "receive",
    "recount_today",
]


def lock(session: Session, message_id: UUID) -> Message | None:
    """Return the current message, locked until the transaction ends."""
    return repository.lock(session, db.tenant_of(session), message_id)


def index_text(tenant_id: UUID) -> bool:
    """Write one block of the search index; return whether there may be more to write."""
    with db.tenant_session(tenant_id) as session:
        return search.write_block(session)
