"""The vendor's checks before it accepts a message. They raise Refusal with the vendor's code."""

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from simulator.records import NUMBER, PREFIX, USER_ID, Account, Content
from simulator.runtime import Runtime
from simulator.settings import Settings
from simulator.twilio.errors import bad_request
from simulator.twilio.form import Form
from simulator.twilio.media_urls import is_fetchable
from simulator.world import World

_SID: Final = re.compile(r"^(HX|MG)[0-9a-fA-F]{32}$")
_GEO: Final = re.compile(r"^geo:(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)(?:\|(.*))?$", re.DOTALL)
_SOONEST, _LATEST = 15 * 60, 35 * 24 * 3600
MAX_BODY: Final = 1600


@dataclass(slots=True)
class SendRequest:
    """A create request that passed every check."""

    to: str
    sender: str
    service_sid: str | None
    body: str
    media_urls: list[str]
    status_callback: str | None
    content: Content | None
    variables: dict[str, str]
    location: dict[str, Any] | None
    send_at: float | None


def check_send(runtime: Runtime, account: Account, form: Form) -> SendRequest:
    to = form.text("To")
    if not to:
        raise bad_request(21604, "A 'To' phone number is required.")
    sender, service_sid = _sender(account, form, to)
    _check_to(account, sender, to)
    body = form.text("Body")
    content = _content(runtime.world, account, form)
    location = _location(form)
    if not (body or form.all("MediaUrl") or content or location):
        raise bad_request(21619, "A text message body or media urls must be specified.")
    if len(body) > MAX_BODY:
        raise bad_request(21617, "The concatenated message body exceeds the 1600 character limit.")
    return SendRequest(
        to=to,
        sender=sender,
        service_sid=service_sid,
        body="" if content else body,
        media_urls=[] if content else _media_urls(runtime.settings, form),
        status_callback=_status_callback(form),
        content=content,
        variables=_variables(form),
        location=location,
        send_at=_schedule(form, service_sid),
    )


def _sender(account: Account, form: Form, to: str) -> tuple[str, str | None]:
    service = form.get("MessagingServiceSid")
    sender = form.text("From")
    if sender.startswith("MG") and not service:
        service, sender = sender, ""
    if service is None and not sender:
        raise bad_request(21603, "A 'From' phone number is required.")
    if service is not None:
        pool = account.services.get(service)
        if not _SID.match(service) or pool is None:
            raise bad_request(21701, "The Messaging Service resource was not found.")
        if not pool:
            raise bad_request(21703, "The Messaging Service does not have a phone number.")
        if sender and sender not in pool:
            raise bad_request(21712, f"'From' {sender} is not in the Messaging Service's pool.")
        sender = sender or pool[0]
    if sender.startswith(PREFIX) != to.startswith(PREFIX):
        raise bad_request(
            21910,
            "Invalid 'From' and 'To' pair. 'From' and 'To' should be of the same channel",
        )
    if not sender.startswith(PREFIX):
        raise bad_request(
            21606, f"The 'From' phone number {sender} is not a valid, message-capable phone number."
        )
    if sender not in account.senders:
        raise bad_request(63007, "Twilio could not find a Channel with the specified From address")
    return sender, service


def _check_to(account: Account, sender: str, to: str) -> None:
    person = to.removeprefix(PREFIX)
    if not (NUMBER.match(person) or USER_ID.match(person)):
        raise bad_request(21211, f"The 'To' number {to} is not a valid phone number.")
    if to == sender:
        raise bad_request(
            63031, f"Message cannot have the same To and From for account {account.sid}"
        )


def _media_urls(settings: Settings, form: Form) -> list[str]:
    urls = form.all("MediaUrl")
    if len(urls) > 10:
        raise bad_request(21623, "Number of media files exceeds allowed limit")
    for url in urls:
        if not is_fetchable(settings, url):
            raise bad_request(21620, f"Invalid media URL(s): {url}")
    return urls


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in url
    except ValueError:
        return False


def _status_callback(form: Form) -> str | None:
    url = form.get("StatusCallback")
    if not url:
        return None
    host = urlsplit(url).hostname if _is_url(url) else None
    if host is None or "_" in host or len(url) > 4000 or not url.isascii():
        raise bad_request(21609, f"The 'StatusCallback' URL {url} is not a valid URL.")
    return url


def _content(world: World, account: Account, form: Form) -> Content | None:
    sid = form.get("ContentSid")
    if not sid:
        return None
    content = world.contents.get((account.sid, sid))
    if content is None or not _SID.match(sid):
        raise bad_request(21655, f"The ContentSid {sid} is invalid")
    return content


def _variables(form: Form) -> dict[str, str]:
    texts = form.all("ContentVariables")
    if not texts or (len(texts) == 1 and not texts[0]):
        return {}
    if len(texts) > 1:
        # A client that was given an object instead of a JSON string repeats the key.
        raise bad_request(92007, "ContentVariables must be a JSON string")
    invalid = bad_request(21656, "The ContentVariables Parameter is invalid")
    try:
        values = json.loads(texts[0])
    except ValueError:
        raise invalid from None
    if not isinstance(values, dict):
        raise invalid
    if len(values) > 100:
        raise bad_request(92002, "Content variables must not exceed 100 key-value pairs")
    for key, value in values.items():
        plain = isinstance(value, str | int | float) and not isinstance(value, bool)
        if not plain or str(value) == "" or len(key) > 16 or len(str(value)) > MAX_BODY:
            raise invalid
    return {key: str(value) for key, value in values.items()}


def _location(form: Form) -> dict[str, Any] | None:
    for action in form.all("PersistentAction"):
        match = _GEO.match(action)
        if match is None:
            raise bad_request(21645, f"The PersistentAction {action} is not valid")
        return {
            "latitude": float(match[1]),
            "longitude": float(match[2]),
            "label": match[3] or "",
        }
    return None


def _schedule(form: Form, service_sid: str | None) -> float | None:
    _check_validity(form)
    kind, at = form.get("ScheduleType"), form.get("SendAt")
    if kind is None and at is None:
        return None
    if kind != "fixed":
        raise bad_request(35126, "The ScheduleType value provided is not supported")
    if not at:
        raise bad_request(35111, "SendAt timestamp is missing")
    if service_sid is None:
        raise bad_request(35118, "MessagingServiceSid is required to schedule a message")
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise bad_request(35114, "SendAt must be an ISO-8601 timestamp") from None
    seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not _SOONEST <= seconds - time.time() <= _LATEST:
        raise bad_request(35114, "SendAt time must be between 15 minutes and 35 days ahead")
    return seconds


def _check_validity(form: Form) -> None:
    text = form.get("ValidityPeriod")
    if text and not (text.isdigit() and 1 <= int(text) <= 36000):
        raise bad_request(20001, "ValidityPeriod must be between 1 and 36000 seconds")
