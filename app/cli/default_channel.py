"""The Twilio channel that the environment describes, for an installation of one business."""

from typing import Any
from uuid import UUID

from app import db
from app.channels import service as channels
from app.channels.errors import ChannelExists
from app.common.phone import parse_phone
from app.config import Settings


def twilio_channel(account_sid: str, auth_token: str, sender: str) -> dict[str, Any]:
    """Return the input of `channels.create_channel`. Raises ValueError for a sender that is no
    number."""
    return {
        "name": "WhatsApp",
        "provider": "twilio",
        "phone_number": parse_phone(sender),
        "credentials": {"account_sid": account_sid, "auth_token": auth_token},
        "is_default": True,
    }


def channel_of_settings(settings: Settings) -> dict[str, Any] | None:
    """Return the channel of TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN and TWILIO_WHATSAPP_FROM; None
    unless all three are set. Raises ValueError for a sender that is no number."""
    values = (
        settings.twilio_account_sid,
        settings.twilio_auth_token,
        settings.twilio_whatsapp_from,
    )
    return twilio_channel(*values) if all(values) else None


def ensure_channel(tenant_id: UUID, data: dict[str, Any]) -> bool:
    """Create the channel unless one with this account and number exists; return whether it was
    created."""
    try:
        with db.tenant_session(tenant_id) as session:
            channels.create_channel(session, None, data)
    except ChannelExists:
        return False
    return True
