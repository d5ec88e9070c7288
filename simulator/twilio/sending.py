"""Creates an outbound message: from the API, or as a TwiML reply."""

import time
from typing import Any

from simulator.records import PREFIX, Account, Message, Phone
from simulator.runtime import Runtime
from simulator.twilio.delivery import attach_media
from simulator.twilio.rendering import MissingVariable, body_of, refusal_code, render
from simulator.twilio.validation import SendRequest
from simulator.world import new_sid


def create_message(
    runtime: Runtime, account: Account, request: SendRequest, direction: str = "outbound-api"
) -> Message:
    """Store the message as queued, accepted or scheduled. The caller starts its progress."""
    world = runtime.world
    phone = world.phone_for(request.to)
    now = time.time()
    content, doomed = _rendered(runtime, phone, request)
    body = request.body
    media_urls = list(request.media_urls)
    if request.content is not None:
        body = body_of(content) if content else ""
        media_urls = _content_media(content)
    message = Message(
        seq=world.next_seq(),
        sid=new_sid("MM" if media_urls else "SM"),
        account_sid=account.sid,
        direction=direction,
        sender=request.sender,
        phone=phone.key,
        person_address=PREFIX + request.to.removeprefix(PREFIX),
        body=body,
        status=_first_status(request),
        created=now,
        updated=now,
        kind=_kind(request, media_urls),
        status_callback=request.status_callback,
        service_sid=request.service_sid,
        content_sid=request.content.sid if request.content else None,
        content=content,
        details=_details(request),
        send_at=request.send_at,
        doomed=doomed,
    )
    attach_media(runtime, message, media_urls)
    world.add_message(message)
    return message


def _rendered(
    runtime: Runtime, phone: Phone, request: SendRequest
) -> tuple[dict[str, Any] | None, int | None]:
    """Return the filled content, and the code with which the channel will fail it."""
    if request.content is None:
        return None, None
    open_ = runtime.world.window_open(phone, request.sender)
    code = refusal_code(request.content, request.variables, open_)
    try:
        return render(request.content, request.variables), code
    except MissingVariable:
        return None, code or 63028


def _first_status(request: SendRequest) -> str:
    if request.send_at is not None:
        return "scheduled"
    return "accepted" if request.service_sid else "queued"


def _details(request: SendRequest) -> dict[str, Any]:
    """`template` decides how a tap on a button comes back to the business."""
    approved = request.content is not None and request.content.status == "approved"
    return {**(request.location or {}), **({"template": True} if approved else {})}


def _kind(request: SendRequest, media_urls: list[str]) -> str:
    if request.content:
        return "content"
    if request.location:
        return "location"
    return "media" if media_urls else "text"


def _content_media(content: dict[str, Any] | None) -> list[str]:
    media = (content or {}).get("media") or []
    return [media] if isinstance(media, str) else [str(url) for url in media]
