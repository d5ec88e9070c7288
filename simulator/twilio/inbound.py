"""A person writes: the message, its media, and the webhook that tells the business."""

import base64
import binascii
import json
import time
from dataclasses import dataclass, field
from typing import Any, Final

from simulator.records import PREFIX, Account, Media, Message, Phone
from simulator.runtime import Runtime
from simulator.samples import SAMPLES, vcard
from simulator.twilio.signing import Parameters
from simulator.twilio.twiml import handle_answer
from simulator.twilio.webhooks import Answer, Delivery
from simulator.world import new_sid

KINDS: Final = (
    "text", "image", "audio", "video", "document", "sticker", "location", "contacts", "button",
    "list", "referral", "reaction", "order", "flow",
)  # fmt: skip
_MEDIA_KINDS: Final = frozenset({"image", "audio", "video", "document", "sticker", "contacts"})
_REFERRAL: Final = {
    "body": "ReferralBody",
    "headline": "ReferralHeadline",
    "source_id": "ReferralSourceId",
    "source_type": "ReferralSourceType",
    "source_url": "ReferralSourceUrl",
    "media_id": "ReferralMediaId",
    "media_content_type": "ReferralMediaContentType",
    "media_url": "ReferralMediaUrl",
    "ctwa_clid": "ReferralCtwaClid",
}


class WriteError(ValueError):
    """The person cannot write this; the text says why."""


@dataclass
class Writing:
    """What the person writes. `details` holds the fields of the kind, `extra` raw parameters."""

    kind: str
    body: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    reply_to: str | None = None
    media: bytes | None = None
    content_type: str | None = None
    extra: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Writing":
        """Raises WriteError for an unknown kind or media that is not base64."""
        kind = data.get("kind", "text")
        if kind not in KINDS:
            raise WriteError(f"kind must be one of {', '.join(KINDS)}")
        try:
            encoded = data.get("media_base64")
            media = base64.b64decode(encoded, validate=True) if encoded else None
        except (binascii.Error, TypeError, ValueError):
            raise WriteError("media_base64 is not base64") from None
        own = {"kind", "to", "body", "reply_to", "media_base64", "content_type", "params", "wait"}
        return cls(
            kind=kind,
            body=str(data.get("body") or ""),
            details={name: value for name, value in data.items() if name not in own},
            reply_to=data.get("reply_to") or None,
            media=media,
            content_type=data.get("content_type"),
            extra={str(k): str(v) for k, v in (data.get("params") or {}).items()},
        )


def write(
    runtime: Runtime, account: Account, sender: str, phone: Phone, writing: Writing
) -> Message:
    """Store the person's message and open the window. `notify` calls the webhook."""
    if len(writing.body) > 4096:
        raise WriteError("WhatsApp takes at most 4096 characters")
    world, now = runtime.world, time.time()
    with_media = writing.kind in _MEDIA_KINDS
    body = writing.body or str(writing.details.get("text") or writing.details.get("title") or "")
    message = Message(
        seq=world.next_seq(),
        sid=new_sid("MM" if with_media else "SM"),
        account_sid=account.sid,
        direction="inbound",
        sender=sender,
        phone=phone.key,
        person_address=phone.address,
        body="" if writing.kind in ("contacts", "location", "reaction", "order") else body,
        status="received",
        created=now,
        updated=now,
        kind=writing.kind,
        sent=now,
        details=dict(writing.details),
        reply_to=writing.reply_to,
    )
    if with_media:
        _attach(runtime, message, writing)
    phone.listed = True
    world.set_window(phone, sender, now)
    world.save_phone(phone)
    world.add_message(message)
    runtime.log.add(
        "inbound", sid=message.sid, phone=phone.key, to=sender, message_kind=message.kind
    )
    return message


def _attach(runtime: Runtime, message: Message, writing: Writing) -> None:
    sample = SAMPLES[writing.kind]
    data, content_type = writing.media, writing.content_type or sample.content_type
    if data is None:
        contacts = writing.kind == "contacts"
        data = vcard(writing.details) if contacts else sample.data
    sid = new_sid("ME")
    media = Media(sid, message.account_sid, message.sid, content_type, message.created)
    runtime.world.add_media(media, data)
    message.media.append(sid)


def inbound_parameters(runtime: Runtime, message: Message, writing: Writing) -> Parameters:
    """The parameters of the inbound webhook (messaging/guides/webhook-request)."""
    phone = runtime.world.phones[message.phone]
    original = runtime.world.messages.get(message.reply_to or "")
    values = {
        "SmsMessageSid": message.sid,
        "NumMedia": str(len(message.media)),
        "ProfileName": phone.name,
        "MessageType": _message_type(message, original),
        "SmsSid": message.sid,
        "SmsStatus": "received",
        "Body": message.body,
        "To": message.sender,
        "NumSegments": "1",
        "ReferralNumMedia": "1" if message.details.get("media_url") else "0",
        "MessageSid": message.sid,
        "AccountSid": message.account_sid,
        "From": message.person_address,
        "ApiVersion": "2010-04-01",
        "Forwarded": "true" if message.details.get("forwarded") else "false",
        "FrequentlyForwarded": "false",
    }
    if phone.number:
        values["WaId"] = phone.number.lstrip("+")
    if phone.user_id:
        values["ExternalUserId"] = PREFIX + phone.user_id
    if original is not None:
        values["OriginalRepliedMessageSid"] = original.sid
        values["OriginalRepliedMessageSender"] = original.from_address
    values |= _media_parameters(runtime, message) | _kind_parameters(message, phone)
    return list((values | writing.extra).items())


def _message_type(message: Message, original: Message | None) -> str:
    if message.kind == "button":
        template = original is not None and bool(original.details.get("template"))
        return "button" if template else "interactive"
    if message.kind in ("list", "flow"):
        return "interactive"
    return "text" if message.kind == "referral" else message.kind


def _media_parameters(runtime: Runtime, message: Message) -> dict[str, str]:
    values = {}
    base = f"{runtime.settings.base_url}/2010-04-01/Accounts/{message.account_sid}/Messages"
    for index, sid in enumerate(message.media):
        values[f"MediaUrl{index}"] = f"{base}/{message.sid}/Media/{sid}"
        values[f"MediaContentType{index}"] = runtime.world.media[sid].content_type
    return values


def _kind_parameters(message: Message, phone: Phone) -> dict[str, str]:
    details = message.details
    match message.kind:
        case "location":
            named = {"Address": details.get("address"), "Label": details.get("label")}
            place = {"Latitude": details["latitude"], "Longitude": details["longitude"]}
            return {k: str(v) for k, v in (place | named).items() if v not in (None, "")}
        case "button":
            payload = str(details.get("payload") or message.body)
            return {"ButtonText": message.body, "ButtonPayload": payload, "ButtonType": "REPLY"}
        case "list":
            description = str(details.get("description") or "")
            return {
                "ListId": str(details.get("id") or ""),
                "ListTitle": message.body,
                **({"ListDescription": description} if description else {}),
            }
        case "referral":
            given = details.get("referral") or {}
            return {name: str(given[key]) for key, name in _REFERRAL.items() if given.get(key)}
        case "flow":
            answer = json.dumps({"flowResponse": details.get("response") or {}})
            return {"InteractiveData": answer, "FlowData": answer}
        case "reaction" | "order":
            # No parameter is documented for these: only the channel's own event shows them.
            data = {message.kind: details, "from": phone.key}
            return {"ChannelMetadata": json.dumps({"type": "whatsapp", "data": data})}
        case _:
            return {}


async def notify(
    runtime: Runtime, account: Account, message: Message, parameters: Parameters
) -> Answer:
    """Call the sender's webhook, then its fallback if that failed; obey the TwiML answer."""
    sender = account.senders[message.sender]
    if not sender.inbound_url:
        answer = Answer(error="the sender has no inbound URL")
        message.webhook_error = answer.error
    else:
        delivery = Delivery(
            account, sender.inbound_url, parameters, "inbound", message.sid, "received"
        )
        answer = await runtime.webhooks.deliver(delivery)
        if answer.failure and sender.fallback_url:
            told = [*parameters, ("ErrorCode", "11200"), ("ErrorUrl", sender.inbound_url)]
            fallback = Delivery(
                account, sender.fallback_url, told, "fallback", message.sid, "received"
            )
            answer = await runtime.webhooks.deliver(fallback)
        message.webhook_status = answer.status
        message.webhook_error = answer.error or (
            f"HTTP {answer.status}" if answer.failure else None
        )
    if message.webhook_error:
        runtime.log.add("error", code=11200, sid=message.sid, error=message.webhook_error)
    runtime.world.save_message(message)
    if answer.failure is None and answer.status is not None:
        await handle_answer(runtime, account, message, parameters, answer)
    return answer
