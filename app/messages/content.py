"""Our own message types: what a message holds, whichever provider carries it.

    {"type": "text", "body": "…"}
    {"type": "image" | "audio" | "video" | "document" | "sticker",
     "media": [{"url": "…", "mime_type": "…"}], "body": "caption"}
    {"type": "template", "body": "",
     "template": {"id": "…", "language": "es", "variables": {"1": "…"}}}

A template is named by its `id` at the provider, or by its `name`; `language` may be missing where
the template has one language only.

Incoming messages add `location`, `contacts`, `button_reply`, `list_reply`, `flow_reply`,
`reaction`, `order` and `unknown`; the provider's parser documents their fields.
"""

import json
import math
import mimetypes
import re
from typing import Any
from urllib.parse import urlsplit

from app.channels.providers.base import Capabilities
from app.channels.providers.registry import PROVIDERS
from app.common import egress
from app.common.schema import UNSTORABLE, is_storable
from app.errors import InvalidInput
from app.messages.errors import UnsupportedContent

Content = dict[str, Any]

LONGEST_TEXT = max(each.capabilities.longest_text for each in PROVIDERS.values())
"""No provider accepts more; some accept less."""

LARGEST_VARIABLE = 1600
MOST_VARIABLES = 100
LINE_BREAK = re.compile(r"[\r\n]")
CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")

TYPES = (
    *("text", "image", "audio", "video", "document", "sticker", "template"),
    *("location", "contacts", "button_reply", "list_reply", "flow_reply", "reaction", "order"),
    "unknown",
)

KINDS = {"image": "image", "audio": "audio", "video": "video"}


def text(body: str) -> Content:
    return {"type": "text", "body": body}


def media(url: str, caption: str) -> Content:
    """Return the content of a media message. Raises InvalidInput for a URL that a provider must not
    fetch."""
    try:
        checked = egress.check_url(url)
    except ValueError as error:
        raise InvalidInput({"media_url": [str(error)]}) from error
    mime_type = mimetypes.guess_type(urlsplit(checked).path)[0] or ""
    kind = KINDS.get(mime_type.partition("/")[0], "document")
    if mime_type == "image/webp":
        kind = "sticker"
    return {"type": kind, "body": caption, "media": [{"url": checked, "mime_type": mime_type}]}


def template(content_sid: str, variables: Any) -> Content:
    """Return the content of a template message. `variables` is an object, or its JSON text. Raises
    InvalidInput."""
    if not CONTENT_SID.fullmatch(content_sid):
        reason = "A content SID is HX and 32 hexadecimal digits."
        raise InvalidInput({"content_sid": [reason]})
    return {
        "type": "template",
        "body": "",
        "template": {"id": content_sid, "variables": read_variables(variables)},
    }


def read_variables(variables: Any) -> dict[str, str]:
    """Return `{"1": "Ana"}`, given as an object or as JSON text, with string values. Raises
    InvalidInput.

    The limits are WhatsApp's for approved content: no newline, no empty value.
    """
    if isinstance(variables, str):
        try:
            variables = json.loads(variables or "{}")
        except (ValueError, RecursionError) as error:
            raise _bad_variables("Not valid JSON.") from error
    if variables is None:
        variables = {}
    if not isinstance(variables, dict):
        raise _bad_variables('Give an object such as {"1": "Ana"}, or its JSON text.')
    if len(variables) > MOST_VARIABLES:
        raise _bad_variables(f"At most {MOST_VARIABLES} variables.")
    return {str(name): _read_variable(str(name), value) for name, value in variables.items()}


def _read_variable(name: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _bad_variables(f"The value of {name!r} must be text or a number.")
    if isinstance(value, float) and not math.isfinite(value):
        raise _bad_variables(f"The value of {name!r} is not a finite number.")
    found = str(value)
    if not 1 <= len(name) <= 16:
        raise _bad_variables("A variable's name has 1 to 16 characters.")
    if not (is_storable(name) and is_storable(found)):
        # The schema's own check does not see inside the JSON text of an object.
        raise _bad_variables(UNSTORABLE)
    if not found.strip() or LINE_BREAK.search(found) or len(found) > LARGEST_VARIABLE:
        reason = f"The value of {name!r} must be one line of 1 to {LARGEST_VARIABLE} characters."
        raise _bad_variables(reason)
    return found


def _bad_variables(reason: str) -> InvalidInput:
    return InvalidInput({"content_variables": [reason]})


def from_send(body: dict[str, Any]) -> Content:
    """Return the content of a validated `POST /api/send` body. Raises InvalidInput."""
    if body.get("content_sid"):
        return template(body["content_sid"], body.get("content_variables"))
    if body.get("media_url"):
        return media(body["media_url"], body.get("body", ""))
    return text(body["body"])


def check(content: Content, provider: str, capabilities: Capabilities) -> None:
    """Raises UnsupportedContent or InvalidInput for content that `provider` cannot send."""
    if content["type"] not in capabilities.kinds:
        raise UnsupportedContent(
            f"Channels of the provider {provider} cannot send messages of the type "
            f"{content['type']}. They send: {', '.join(sorted(capabilities.kinds))}."
        )
    if len(content["body"]) > capabilities.longest_text:
        reason = f"At most {capabilities.longest_text:,} characters on a channel of {provider}."
        raise InvalidInput({"body": [reason]})


def needs_window(content: Content, capabilities: Capabilities) -> bool:
    """Return whether this is accepted only within 24 hours of the customer's last message."""
    return capabilities.has_window and content["type"] != "template"
