"""Converts our message content to the parameters of Twilio's `POST /Messages`."""

import json
from typing import Any

from app.channels.providers.base import Json, OutgoingMessage
from app.channels.providers.twilio.addresses import spell
from app.channels.providers.twilio.retries import RETRY_FRAGMENT

VALIDITY_SECONDS = 4 * 3600
"""Twilio queues a WhatsApp message for at most 4 hours; its default is 10."""


LONGEST_TEXT = 1600
"""The limit of Body; WhatsApp itself accepts 4,096 characters."""

KINDS = frozenset(
    {"text", "image", "audio", "video", "document", "sticker", "location", "template"}
)


class UnsupportedContent(Exception):
    """Twilio's Messages resource has no parameters for this content."""


def parameters(
    message: OutgoingMessage, webhook_url: str, messaging_service_sid: str | None
) -> dict[str, Any]:
    """Return the keyword arguments of `messages.create`. Raises UnsupportedContent.

    The token of the attempt is the query of the URL at which Twilio reports. From is given also
    with a Messaging Service, so that the customer gets messages from the same number.
    """
    found = {
        "to": spell(message.to.value),
        "from_": spell(message.from_number),
        "validity_period": VALIDITY_SECONDS,
        "status_callback": f"{webhook_url}?{message.token}{RETRY_FRAGMENT}",
        **_content(message.content),
    }
    if messaging_service_sid:
        found["messaging_service_sid"] = messaging_service_sid
    return found


def _content(content: Json) -> dict[str, Any]:
    if "template" in content:
        return _template(content["template"])
    if "latitude" in content and "longitude" in content:
        return _location(content)
    body = content.get("body") or ""
    urls = [item["url"] for item in content.get("media", ())]
    if urls:
        return {"media_url": urls, "body": body} if body else {"media_url": urls}
    if body:
        return {"body": body}
    raise UnsupportedContent


def _template(template: Json) -> dict[str, Any]:
    """Twilio's approved templates have one language each, and are named by their SID."""
    if "id" not in template:
        raise UnsupportedContent
    found: dict[str, Any] = {"content_sid": template["id"]}
    if template["variables"]:
        # Twilio wants the object as text; it answers an object with error 92007.
        found["content_variables"] = json.dumps(template["variables"], ensure_ascii=False)
    return found


def _location(content: Json) -> dict[str, Any]:
    """The text is the place's name; the action holds the coordinates and the label."""
    label = content.get("label") or content.get("address") or ""
    action = f"geo:{content['latitude']},{content['longitude']}"
    return {
        "body": content.get("body") or label or "📍",
        "persistent_action": [f"{action}|{label}" if label else action],
    }
