"""What the rest of the house may ask of the inbound journal."""

from app.webhook.ledger import forget_finished
from app.webhook.repair import (
    Repaired,
    active_channels,
    repair_channel,
    request_repair,
)
from app.webhook.repository import InboxFilter

__all__ = [
    "InboxFilter",
    "Repaired",
    "active_channels",
    "forget_finished",
    "repair_channel",
    "request_repair",
]
