"""What the rest of the house may ask of the inbound journal."""

from app.webhook.doubts import active_channels, repair_now
from app.webhook.repair import Repaired
from app.webhook.repository import InboxFilter

__all__ = [
    "InboxFilter",
    "Repaired",
    "active_channels",
    "repair_now",
]
