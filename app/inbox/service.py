"""What the rest of the house may ask of the inbound journal."""

from app.inbox.doubts import active_channels, doubt_tenant, repair_now
from app.inbox.repair import Repaired
from app.inbox.repository import InboxFilter, store

__all__ = [
    "InboxFilter",
    "Repaired",
    "active_channels",
    "doubt_tenant",
    "repair_now",
    "store",
]
