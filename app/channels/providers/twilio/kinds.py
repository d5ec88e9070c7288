"""What a customer's webhook says, by kind, in our content form.

    {"type": "text", "body"}
    {"type": "image" | "audio" | "video" | "document" | "sticker" | "contacts", "body",
     "media": [{"url", "mime_type"}]}
    {"type": "location", "latitude", "longitude", "address"?, "label"?}
    {"type": "button_reply", "id", "title", "button_type"?}
    {"type": "list_reply", "id", "title", "description"?}
    {"type": "flow_reply", "response"}     {"type": "reaction", "reaction": {…}}
    {"type": "order", "order": {…}}        {"type": "unknown", "raw": {every parameter}}

Any of them may carry `reply_to`, `referral`, `forwarded`, `frequently_forwarded`, `opt_out`, and
`extra`: the parameters that we do not know, for Twilio adds some without notice. The media URLs
want the channel's credentials.
"""

import math
import re
from collections.abc import Callable, Mapping

from app.channels.providers.base import Json
from app.channels.providers.twilio.addresses import bare
from app.channels.providers.twilio.form import read_json

Parameters = Mapping[str, str]

MEDIA_TYPES = frozenset({"image", "audio", "video", "document", "sticker", "contacts"})
CARD_TYPES = frozenset({"text/vcard", "text/x-vcard", "text/directory"})
MOST_MEDIA = 20
NUMBERED = re.compile(r"Media(?:Url|ContentType)[0-9]+")

REFERRAL = {
    "ReferralBody": "body",
    "ReferralHeadline": "headline",
    "ReferralSourceId": "source_id",
    "ReferralSourceType": "source_type",
    "ReferralSourceUrl": "source_url",
    "ReferralMediaId": "media_id",
    "ReferralMediaContentType": "media_content_type",
    "ReferralMediaUrl": "media_url",
    "ReferralNumMedia": "num_media",
    "ReferralCtwaClid": "ctwa_clid",
}

KNOWN = frozenset(
    {
        "MessageSid", "SmsSid", "SmsMessageSid", "AccountSid", "MessagingServiceSid", "From", "To",
        "Body", "NumMedia", "NumSegments", "SmsStatus", "ApiVersion", "ProfileName", "WaId",
        "Forwarded", "FrequentlyForwarded", "ExternalUserId", "ParentExternalUserId",
        "ButtonPayload", "ButtonText", "ButtonType", "InteractiveData", "FlowData", "ListId",
        "ListTitle", "ListDescription", "Latitude", "Longitude", "Address", "Label",
        "OriginalRepliedMessageSender", "OriginalRepliedMessageSid", "MessageType", "OptOutType",
        "ChannelMetadata", *REFERRAL,
    }
)  # fmt: skip


def content_of(given: Parameters) -> Json:
    """Return the content of one incoming message, with its `type` and `body`."""
    found = _kind(given)
    found.setdefault("body", given.get("Body", ""))
    return {**found, **_context(given)}


def _kind(given: Parameters) -> Json:
    for reader in READERS:
        found = reader(given)
        if found is not None:
            return found
    return {"type": "unknown", "raw": dict(given)}


def _channel_event(given: Parameters) -> Json | None:
    """Return a reaction or an order. No parameter is documented; only the channel's own event shows
    them."""
    metadata = read_json(given.get("ChannelMetadata", ""))
    data = metadata.get("data") if isinstance(metadata, dict) else None
    data = data if isinstance(data, dict) else {}
    for kind in ("reaction", "order"):
        detail = data.get(kind)
        if isinstance(detail, dict):
            return {"type": kind, kind: detail}
        if given.get("MessageType") == kind:
            return {"type": kind, kind: {}, "raw": dict(given)}
    return None


def _flow(given: Parameters) -> Json | None:
    for name in ("InteractiveData", "FlowData"):
        answer = read_json(given.get(name, ""))
        if not isinstance(answer, dict):
            continue
        response = answer.get("flowResponse", answer if name == "FlowData" else None)
        if response is not None:
            return {"type": "flow_reply", "response": response}
    return None


def _list(given: Parameters) -> Json | None:
    """Return a list reply. Twilio's page does not document its parameters; other public clients
    do."""
    if not (given.get("ListId") or given.get("ListTitle")):
        return None
    title = given.get("ListTitle") or given.get("Body", "")
    found = {"type": "list_reply", "id": given.get("ListId", ""), "title": title}
    if given.get("ListDescription"):
        found["description"] = given["ListDescription"]
    return {**found, "body": given.get("Body") or title}


def _button(given: Parameters) -> Json | None:
    if not (given.get("ButtonPayload") or given.get("ButtonText")):
        return None
    title = given.get("ButtonText") or given.get("Body", "")
    found = {"type": "button_reply", "id": given.get("ButtonPayload", ""), "title": title}
    if given.get("ButtonType"):
        found["button_type"] = given["ButtonType"]
    return {**found, "body": given.get("Body") or title}


def _location(given: Parameters) -> Json | None:
    try:
        latitude, longitude = float(given["Latitude"]), float(given["Longitude"])
    except (KeyError, ValueError):
        return None
    if not (math.isfinite(latitude) and math.isfinite(longitude)):
        return None
    found: Json = {"type": "location", "latitude": latitude, "longitude": longitude}
    named = {"address": given.get("Address"), "label": given.get("Label")}
    return {**found, **{name: value for name, value in named.items() if value}}


def _media(given: Parameters) -> Json | None:
    items = [
        {"url": given[f"MediaUrl{index}"], "mime_type": given.get(f"MediaContentType{index}", "")}
        for index in range(MOST_MEDIA)
        if given.get(f"MediaUrl{index}")
    ]
    if not items:
        return None
    return {"type": _media_type(given.get("MessageType"), items[0]["mime_type"]), "media": items}


def _media_type(message_type: str | None, mime_type: str) -> str:
    if message_type in MEDIA_TYPES:
        return message_type
    bare_type = mime_type.partition(";")[0].strip().lower()
    if bare_type in CARD_TYPES:
        return "contacts"
    family = bare_type.partition("/")[0]
    return family if family in {"image", "audio", "video"} else "document"


def _text(given: Parameters) -> Json | None:
    if given.get("Body") or given.get("MessageType") == "text":
        return {"type": "text"}
    return None


READERS: tuple[Callable[[Parameters], Json | None], ...] = (
    _channel_event,
    _flow,
    _list,
    _button,
    _location,
    _media,
    _text,
)
"""The first reader that recognizes its kind wins; text comes last, because media may have a
caption."""


def _context(given: Parameters) -> Json:
    found: Json = {}
    if given.get("OriginalRepliedMessageSid"):
        found["reply_to"] = {
            "provider_message_id": given["OriginalRepliedMessageSid"],
            "from": bare(given.get("OriginalRepliedMessageSender")),
        }
    referral = {
        ours: given[name]
        for name, ours in REFERRAL.items()
        if given.get(name) and not (name == "ReferralNumMedia" and given[name] == "0")
    }
    if referral:
        found["referral"] = referral
    for name, ours in (("Forwarded", "forwarded"), ("FrequentlyForwarded", "frequently_forwarded")):
        if given.get(name, "").lower() == "true":
            found[ours] = True
    if given.get("OptOutType"):
        found["opt_out"] = given["OptOutType"].upper()
    extra = {
        name: value
        for name, value in given.items()
        if name not in KNOWN and not NUMBERED.fullmatch(name)
    }
    if extra:
        found["extra"] = extra
    return found
