"""Where providers call: a request is verified, stored and answered. Nothing else happens here."""

from flask import Response

from app.extensions import Blueprint, limiter
from app.webhook import handshake, receive
from app.webhook.incoming import current_request

webhooks = Blueprint(
    "webhooks", "webhooks", description="Where providers report. Signed, no token."
)


@webhooks.post("/<provider>")
@limiter.exempt
def webhook(provider: str) -> Response:
    """A provider reports, at the address without a channel

    The channel is found by the account and the sender that the request names (Twilio: `AccountSid`
    and our own number; `/webhook/whatsapp` is Twilio's, too). Prefer the address with the channel's
    key, which `GET /channels` shows.
    """
    return take(provider, None)


@webhooks.post("/<provider>/<channel_key>")
@limiter.exempt
def channel_webhook(provider: str, channel_key: str) -> Response:
    """A provider reports to one channel: incoming messages and statuses

    Signed by the provider. Answers what it expects (Twilio: TwiML for an incoming message, 204 for
    a status), 403 for a signature that does not match.
    """
    return take(provider, channel_key)


@webhooks.get("/<provider>")
@limiter.exempt
def webhook_handshake(provider: str) -> Response:
    """A provider checks the address without a channel before it uses it

    Answers the provider's challenge as plain text, 403 for a wrong verify token. Twilio has no
    such handshake.
    """
    return shake(provider, None)


@webhooks.get("/<provider>/<channel_key>")
@limiter.exempt
def channel_webhook_handshake(provider: str, channel_key: str) -> Response:
    """A provider checks a channel's address before it uses it

    Answers the provider's challenge as plain text, 403 for a wrong verify token. Twilio has no
    such handshake.
    """
    return shake(provider, channel_key)


def take(provider: str, channel_key: str | None) -> Response:
    """Store what the provider says and answer as it expects; 403 for what it did not sign."""
    status, mime_type, text = receive.accept(provider, current_request(), channel_key)
    return Response(text, status, mimetype=mime_type)


def shake(provider: str, channel_key: str | None) -> Response:
    text = handshake.answer(provider, current_request(), channel_key)
    return Response(text, mimetype="text/plain")
