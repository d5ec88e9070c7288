"""Where providers call: a request is verified, stored and answered. Nothing else happens here."""

from flask import Response

from app.extensions import Blueprint, limiter
from app.models import Provider
from app.webhook import receive

webhooks = Blueprint(
    "webhooks", "webhooks", description="Where providers report. Signed, no token."
)


@webhooks.post("/whatsapp")
@webhooks.post("/twilio")
@limiter.exempt
def twilio_webhook() -> Response:
    """Twilio reports: an incoming message or a status

    The channel is found by `AccountSid` and our own number. Prefer the address with the channel's
    key, which `GET /channels` shows.
    """
    return take(Provider.TWILIO, None)


@webhooks.post("/twilio/<channel_key>")
@limiter.exempt
def twilio_channel_webhook(channel_key: str) -> Response:
    """Twilio reports to one channel: an incoming message or a status

    A form post signed by Twilio. Answers TwiML for an incoming message, 204 for a status, 403 for
    a signature that does not match.
    """
    return take(Provider.TWILIO, channel_key)


def take(provider: Provider, channel_key: str | None) -> Response:
    """Store what the provider says and answer as it expects; 403 for what it did not sign."""
    status, mime_type, text = receive.accept(provider, receive.current_request(), channel_key)
    return Response(text, status, mimetype=mime_type)
