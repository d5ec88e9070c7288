"""Webhook requests as Twilio sends them, signed by Twilio's own library."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Flask
from sqlalchemy import text
from twilio.request_validator import HMAC_SHA256, RequestValidator
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from app import config, db
from app.models import Channel
from tests.factories import TWILIO_AUTH_TOKEN

FORM_TYPE = "application/x-www-form-urlencoded; charset=UTF-8"
SIGNATURE = "X-Twilio-Signature"
SIGNATURE_SETTINGS = "X-Twilio-Webhooks-Signature-Settings"


def inbound(channel: Channel, sid: str = "SM1", **changes: str) -> dict[str, str]:
    """Return the form of a customer's text message."""
    return {
        "MessageSid": sid,
        "SmsMessageSid": sid,
        "AccountSid": channel.account,
        "From": "whatsapp:+15551234567",
        "To": f"whatsapp:{channel.phone_number}",
        "Body": "¡Qué tal!",
        "NumMedia": "0",
        "SmsStatus": "received",
        "ProfileName": "",
        "WaId": "15551234567",
        **changes,
    }


def receipt(channel: Channel, sid: str, status: str, **changes: str) -> dict[str, str]:
    """Return the form of a status callback."""
    return {
        "MessageSid": sid,
        "AccountSid": channel.account,
        "From": f"whatsapp:{channel.phone_number}",
        "To": "whatsapp:+15551234567",
        "MessageStatus": status,
        "SmsStatus": status,
        **changes,
    }


@dataclass(frozen=True)
class Signed:
    """A signed request, which a test may alter."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    def send(self, app: Flask) -> TestResponse:
        return app.test_client().post(self.path, data=self.body, headers=self.headers)


def sign(
    path: str,
    form: Any,
    *,
    secret: str = TWILIO_AUTH_TOKEN,
    base: str | None = None,
    shared_key: bool = False,
) -> Signed:
    """Sign `form` for our public URL, or for another `base`."""
    url = (base or config.current().public_base_url) + path
    algorithm = HMAC_SHA256 if shared_key else None
    signature = RequestValidator(secret).compute_signature(url, MultiDict(form), algorithm)
    headers = {"Content-Type": FORM_TYPE, SIGNATURE: signature}
    if shared_key:
        headers[SIGNATURE_SETTINGS] = f"key=webhooks_sharedkey_1,algorithm={HMAC_SHA256}"
    return Signed(path, urlencode(form).encode(), headers)


def tell(app: Flask, channel: Channel, form: dict[str, str], query: str = "") -> TestResponse:
    """Post this form to the channel's own address, correctly signed."""
    path = f"/webhook/twilio/{channel.key}" + (f"?{query}" if query else "")
    return sign(path, form).send(app)


def ledger(tenant_id: UUID) -> dict[str, int]:
    """Return the number of items by state, and of duplicates as `duplicates`."""
    counts = text("select state, count(*), sum(duplicates) from recado.inbox_items group by state")
    with db.tenant_session(tenant_id) as session:
        rows = session.execute(counts).all()
    return {**{row[0]: row[1] for row in rows}, "duplicates": int(sum(row[2] for row in rows))}
