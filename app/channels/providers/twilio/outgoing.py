"""Our message content → the parameters of Twilio's `POST /Messages`."""

import json
from typing import Any

from app.channels.providers.base import Json, OutgoingMessage
from app.channels.providers.twilio.addresses import spell
from app.channels.providers.twilio.retries import RETRY_FRAGMENT

VALIDITY_SECONDS = 4 * 3600
"""Twilio keeps a WhatsApp message at most 4 hours in its queue; its default says 10."""


class UnsupportedContent(Exception):
    """Twilio's Messages resource has no parameters for this content."""


def parameters(message: OutgoingMessage, messaging_service_sid: str | None) -> dict[str, Any]:
    """Keyword arguments of `messages.create`. Raises UnsupportedContent.

    From is given beside a Messaging Service, too: the customer must hear from the same number.
    """
    found = {
        "to": spell(message.to.value),
        "from_": spell(message.from_number),
        "validity_period": VALIDITY_SECONDS,
        **_content(message.content),
    }
    if message.status_callback:
        found["status_callback"] = message.status_callback + RETRY_FRAGMENT
    if messaging_service_sid:
        found["messaging_service_sid"] = messaging_service_sid
    return found


def _content(content: Json) -> dict[str, Any]:
    if content.get("content_sid"):
        return _template(content)
    if "latitude" in content and "longitude" in content:
        return _location(content)
    body = content.get("body") or ""
    urls = [item["url"] for item in content.get("media", ())]
    if urls:
        return {"media_url": urls, "body": body} if body else {"media_url": urls}
    if body:
        return {"body": body}
    raise UnsupportedContent


def _template(content: Json) -> dict[str, Any]:
    found: dict[str, Any] = {"content_sid": content["content_sid"]}
    if content.get("content_variables"):
        # Twilio wants the object as text; an object is answered with error 92007.
        found["content_variables"] = json.dumps(content["content_variables"], ensure_ascii=False)
    return found


def _location(content: Json) -> dict[str, Any]:
    """The text is the place's name; the action holds the coordinates and the label."""
    label = content.get("label") or content.get("address") or ""
    action = f"geo:{content['latitude']},{content['longitude']}"
    return {
        "body": content.get("body") or label or "📍",
        "persistent_action": [f"{action}|{label}" if label else action],
    }
