"""WhatsApp's 24-hour window: free-form messages are allowed only to people who wrote within a day.

Two facts decide: when the customer last wrote (`last_inbound_at`), and when the provider last
refused a message because the window was closed (`window_closed_at`: when the refused call was
prepared). Each is kept as the latest of its kind, so the order in which they arrive does not
matter.

The later fact wins. Both are dated by the database's clock, except for messages that only the
provider's list reported: those have the provider's date, in whole seconds of its clock. So a
message that is up to CLOCK_SKEW older than the refusal counts as newer: had it been there before,
the provider would not have refused. If this is wrong, one more message is refused and the window is
closed again; the opposite mistake would keep a business from answering its customer.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

LENGTH = timedelta(hours=24)
"""Counted from the customer's last message, per sender and customer (Twilio and Meta alike)."""

CLOCK_SKEW = timedelta(seconds=60)
"""How far the provider's clock may be from the database's."""


class Window(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    """This person never wrote to us; they may have written before we were connected."""


class WindowState(NamedTuple):
    """`expires_at` is in the future while the window is open, and never when it is closed.

    It is None when the person never wrote to us.
    """

    window: Window
    expires_at: datetime | None


class Evidence(Protocol):
    """A conversation, or a row that has these columns of one."""

    @property
    def last_inbound_at(self) -> datetime | None: ...

    @property
    def window_closed_at(self) -> datetime | None: ...


def state_of(conversation: Evidence, now: datetime) -> WindowState:
    """Decide from what the customer wrote and what the provider has said since."""
    heard, shut = conversation.last_inbound_at, conversation.window_closed_at
    if heard is None:
        return WindowState(Window.UNKNOWN if shut is None else Window.CLOSED, None)
    expires_at = heard + LENGTH
    if shut is not None and shut - heard > CLOCK_SKEW:
        expires_at = min(expires_at, shut, now)
    return WindowState(Window.OPEN if now < expires_at else Window.CLOSED, expires_at)


def window_of(conversation: Evidence, now: datetime) -> Window:
    return state_of(conversation, now).window
