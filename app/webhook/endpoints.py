"""The endpoints that providers call. A request is verified, stored and answered; nothing else
happens here."""

from flask import Response, request

from app.channels.providers.base import WebhookRequest
from app.channels.providers.registry import provider_at
from app.errors import fails_with
from app.extensions import Blueprint, limiter
from app.webhook import handshake, receive
from app.webhook.handshake import HandshakeRefused, NoHandshake
from app.webhook.incoming import current_request
from app.webhook.receive import BadSignature, UnreadableWebhook

webhooks = Blueprint("webhooks", "webhooks")

RECEIVES = webhooks.doc(
    requestBody={
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {"type": "object", "additionalProperties": {"type": "string"}}
            }
        },
    },
    responses={
        "200": {
            "description": "An incoming message was stored.",
            "content": {"text/xml": {"schema": {"type": "string"}, "example": "<Response/>"}},
        },
        "204": {"description": "A status was stored."},
    },
)
SHAKES_HANDS = webhooks.doc(
    responses={
        "200": {
            "description": "The provider's challenge.",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": "1158201444"}},
        }
    }
)


@webhooks.post("/<provider>")
@fails_with(UnreadableWebhook, BadSignature)
@RECEIVES
@limiter.exempt
def webhook(provider: str) -> Response:
    """Receive a provider's events

    At the address without a channel: the channel is found by the account and the sender that the
    request names (Twilio: `AccountSid` and our own number; `/webhook/whatsapp` is Twilio's, too).
    Prefer the address with the channel's key, which `GET /channels` shows.
    """
    return take(provider, None)


@webhooks.post("/<provider>/<channel_key>")
@fails_with(UnreadableWebhook, BadSignature)
@RECEIVES
@limiter.exempt
def channel_webhook(provider: str, channel_key: str) -> Response:
    """Receive a channel's events

    Incoming messages and statuses. The request must be signed by the provider. Answers what the
    provider expects (Twilio: TwiML for an incoming message, 204 for a status), or 403 for a
    signature that does not match.
    """
    return take(provider, channel_key)


@webhooks.get("/<provider>")
@fails_with(HandshakeRefused, NoHandshake)
@SHAKES_HANDS
@limiter.exempt
def webhook_handshake(provider: str) -> Response:
    """Answer a provider's handshake

    Answers the provider's challenge as plain text, 403 for a wrong verify token. Twilio has no such
    handshake.
    """
    return shake(provider, None)


@webhooks.get("/<provider>/<channel_key>")
@fails_with(HandshakeRefused, NoHandshake)
@SHAKES_HANDS
@limiter.exempt
def channel_webhook_handshake(provider: str, channel_key: str) -> Response:
    """Answer a channel's handshake

    Answers the provider's challenge as plain text, 403 for a wrong verify token. Twilio has no such
    handshake.
    """
    return shake(provider, channel_key)


def take(provider: str, channel_key: str | None) -> Response:
    """Store the events of the request and answer as the provider expects; 403 if it did not sign
    them."""
    status, mime_type, text = receive.accept(provider, read_request(provider), channel_key)
    return Response(text, status, mimetype=mime_type)


def shake(provider: str, channel_key: str | None) -> Response:
    text = handshake.answer(provider, read_request(provider), channel_key)
    return Response(text, mimetype="text/plain")


def read_request(provider: str) -> WebhookRequest:
    """Read no more than this provider sends. Raises NotFound, RequestEntityTooLarge."""
    request.max_content_length = provider_at(provider).longest_webhook
    return current_request()
