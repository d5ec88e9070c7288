"""What other features may ask of messages."""

from app.messages.reading import history
from app.messages.receive import receive
from app.messages.reports import apply_receipt
from app.messages.route import Order
from app.messages.send import queue_message

__all__ = ["Order", "apply_receipt", "history", "queue_message", "receive"]
