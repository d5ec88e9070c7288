"""Converts Twilio's webhooks to our events.

`raw` is what the inbox keeps: the form body, a newline, and the query of the URL that was called.
"""

import hashlib
import re

from app.channels.providers.base import (
    Answer,
    Ignored,
    InboundMessage,
    ProviderEvent,
    RawEvent,
    StatusReceipt,
    Webhook,
    WebhookRequest,
)
from app.channels.providers.twilio import errors, form
from app.channels.providers.twilio.addresses import known_addresses
from app.channels.providers.twilio.form import Form
from app.channels.providers.twilio.kinds import Parameters, content_of
from app.channels.providers.twilio.statuses import CANCELED, STATUSES
from app.common.phone import heard_address
from app.models import Status

SID = re.compile(r"[A-Za-z0-9]{2,64}")
WORD = re.compile(r"[a-z_]{1,32}")
INBOUND_STATUSES = frozenset({"", "received", "receiving"})
LONGEST_PROFILE_NAME = 512
NO_REPLY = '<?xml version="1.0" encoding="UTF-8"?><Response></Response>'
"""TwiML for "no reply". Our replies are sent as messages of their own."""

MESSAGE_ANSWER: Answer = (200, "text/xml", NO_REPLY)
STATUS_ANSWER: Answer = (204, "text/plain", "")


def read(request: WebhookRequest) -> Webhook:
    """Return the one event of a webhook. An incoming message is answered with TwiML, a status with
    204.

    Never raises. A body that is not UTF-8 is not from Twilio, and no signature will match it.
    """
    raw = f"{request.body.decode('utf-8', 'replace')}\n{request.query}"
    given = _parameters(raw)
    is_status = bool(given.get("MessageStatus"))
    sender = given.get("From" if is_status else "To", "")
    ours = known_addresses(sender)
    event = RawEvent(
        key=_event_key(given, raw),
        account=given.get("AccountSid", ""),
        phone_number=ours[0].value if ours else "",
        raw=raw,
    )
    return Webhook([event], STATUS_ANSWER if is_status else MESSAGE_ANSWER)


def event_key(raw: str) -> str:
    """Return `in:<MessageSid>` or `st:<MessageSid>:<status>`; a digest if no message is named."""
    return _event_key(_parameters(raw), raw)


def _parameters(raw: str) -> Parameters:
    """Return the parameters; none for a form that is too large to be Twilio's."""
    try:
        return form.read(raw).parameters
    except ValueError:
        return {}


def _event_key(given: Parameters, raw: str) -> str:
    try:
        sid, status = message_sid(given), status_word(given)
    except ValueError:
        return "other:" + hashlib.sha256(raw.encode("utf-8", "replace")).hexdigest()
    return f"in:{sid}" if status in INBOUND_STATUSES else f"st:{sid}:{status}"


def parse(raw: str) -> ProviderEvent:
    """Return the event. Raises ValueError for a text that is no webhook of Twilio."""
    given = form.read(raw)
    status = status_word(given.parameters)
    if status in INBOUND_STATUSES:
        return _inbound(given.parameters)
    return _receipt(given, status)


def message_sid(given: Parameters) -> str:
    """Raises ValueError."""
    sid = given.get("MessageSid") or given.get("SmsMessageSid") or given.get("SmsSid") or ""
    if not SID.fullmatch(sid):
        raise ValueError("no MessageSid")
    return sid


def status_word(given: Parameters) -> str:
    """Return the status of a callback, or "received" or "" for a customer's message. Raises
    ValueError."""
    word = (given.get("MessageStatus") or given.get("SmsStatus") or "").lower()
    if word and not WORD.fullmatch(word):
        raise ValueError("a status that is no word")
    return word


def _inbound(given: Parameters) -> InboundMessage:
    sid = message_sid(given)
    aliases = known_addresses(
        given.get("From"),
        _number(given.get("WaId")),
        given.get("ExternalUserId"),
        given.get("ParentExternalUserId"),
    )
    if not aliases:
        raise ValueError("no address of a customer")
    content = content_of(given)
    return InboundMessage(
        provider_message_id=sid,
        aliases=aliases,
        to_number=heard_address(given.get("To", "")).value,
        type=content["type"],
        body=content["body"],
        content=content,
        profile_name=given.get("ProfileName", "")[:LONGEST_PROFILE_NAME],
    )


def _number(wa_id: str | None) -> str | None:
    """WaId has digits without the plus; any other value is not a phone number."""
    return f"+{wa_id}" if wa_id and re.fullmatch(r"[0-9]{5,15}", wa_id) else None


def _receipt(given: Form, word: str) -> ProviderEvent:
    parameters = given.parameters
    sid = message_sid(parameters)
    status = STATUSES.get(word)
    if status is None:
        return Ignored(f"status {word}")
    error = None
    if status is Status.FAILED:
        code = errors.code_of(parameters.get("ErrorCode", ""))
        error = errors.describe(code)
        if word == CANCELED and code is None:
            error = errors.explain(errors.CANCELED)
    return StatusReceipt(
        provider_message_id=sid,
        status=status,
        error=error,
        aliases=known_addresses(
            parameters.get("To"),
            parameters.get("ExternalUserId"),
            parameters.get("ParentExternalUserId"),
        ),
        token=given.query,
    )
