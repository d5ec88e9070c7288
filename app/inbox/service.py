"""The functions of the inbox that other features use."""

from app.inbox.read_requests import active_channels, repair_now, request_for_tenant
from app.inbox.repair import Repaired
from app.inbox.repository import InboxFilter, store

__all__ = [
    "InboxFilter",
    "Repaired",
    "active_channels",
    "repair_now",
    "request_for_tenant",
    "store",
]
