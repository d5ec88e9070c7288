"""WhatsApp's 24-hour window: free-form messages go only to people who wrote within a day.

Two facts decide, each kept as the latest of its kind, so that it does not matter in which order
they reach us: when the customer last wrote (`last_inbound_at`), and when the provider last refused
a message because the window was shut (`window_closed_at`: when the refused call was prepared).

The later fact wins. Both are dated by the database's clock, but for messages that only the
provider's list told us: those carry its date, in whole seconds of its clock. So a message that is
up to CLOCK_SKEW older than the refusal counts as younger: had it been there before, the provider
would not have refused. If that is wrong, one message more is refused, and the window is shut again;
the other mistake would keep a business from answering its customer.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

LENGTH = timedelta(hours=24)
"""From the last message of the customer, per sender and customer (Twilio and Meta alike)."""

CLOCK_SKEW = timedelta(seconds=60)
"""How far the provider's clock may be from the database's."""


class Window(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    """We never heard this person here; they may have written before we were connected."""


class WindowState(NamedTuple):
    """`expires_at` lies ahead while the window is open, and never when it is closed.

    None when we never heard this person.
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
    """By evidence: what the customer wrote, and what the provider said since."""
    heard, shut = conversation.last_inbound_at, conversation.window_closed_at
    if heard is None:
        return WindowState(Window.UNKNOWN if shut is None else Window.CLOSED, None)
    expires_at = heard + LENGTH
    if shut is not None and shut - heard > CLOCK_SKEW:
        expires_at = min(expires_at, shut, now)
    return WindowState(Window.OPEN if now < expires_at else Window.CLOSED, expires_at)


def window_of(conversation: Evidence, now: datetime) -> Window:
    return state_of(conversation, now).window
