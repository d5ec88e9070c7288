"""WhatsApp's 24-hour window: free-form messages go only to people who wrote within a day."""

from datetime import datetime, timedelta
from enum import StrEnum

from app.models import Conversation

LENGTH = timedelta(hours=24)
"""From the last message of the customer, per sender and customer (Twilio and Meta alike)."""


class Window(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    """We never heard this person here; they may have written before we were connected."""


def window_of(conversation: Conversation, now: datetime) -> Window:
    """By evidence: what the customer wrote, and what the provider said since."""
    heard, shut = conversation.last_inbound_at, conversation.window_closed_at
    if shut is not None and (heard is None or shut > heard):
        return Window.CLOSED
    if heard is None:
        return Window.UNKNOWN
    return Window.OPEN if now < heard + LENGTH else Window.CLOSED


def expires_at(conversation: Conversation) -> datetime | None:
    """When the window shuts (or shut); None when we never heard this person."""
    heard = conversation.last_inbound_at
    return None if heard is None else heard + LENGTH
