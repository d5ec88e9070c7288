"""TwiML in a webhook's answer: messages to send back, or a redirect to call again."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

from simulator.records import Account, Message
from simulator.runtime import Runtime
from simulator.twilio.sending import create_message
from simulator.twilio.signing import Parameters
from simulator.twilio.validation import MAX_BODY, SendRequest
from simulator.twilio.webhooks import Answer, Delivery

_XML: Final = frozenset({"text/xml", "application/xml", "text/html"})
_MOST_REDIRECTS: Final = 5


@dataclass
class Reply:
    body: str
    media: list[str]
    to: str | None
    status_callback: str | None


class TwimlError(ValueError):
    """The answer cannot be obeyed. `code` is the vendor's warning or error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse(answer: Answer) -> tuple[list[Reply], str | None]:
    """Return the replies and the redirect. An empty answer requests nothing. Raises TwimlError."""
    text = answer.text.strip()
    if not text:
        return [], None
    if answer.content_type == "text/plain":
        # The vendor sends plain text to the person unchanged.
        return [Reply(text, [], None, None)], None
    if answer.content_type not in _XML:
        raise TwimlError(12300, f"invalid Content-Type {answer.content_type}")
    if "<!DOCTYPE" in text:
        raise TwimlError(12100, "document types are not allowed in TwiML")
    try:
        # Entities cannot be declared without the document type, which was refused above.
        root = ElementTree.fromstring(text)  # noqa: S314
    except ElementTree.ParseError as error:
        raise TwimlError(12100, f"document parse failure: {error}") from None
    if root.tag != "Response":
        raise TwimlError(12100, f"expected <Response>, not <{root.tag}>")
    replies: list[Reply] = []
    for verb in root:
        if verb.tag == "Message":
            replies.append(_reply(verb))
        elif verb.tag == "Redirect":
            return replies, (verb.text or "").strip()
    return replies, None


def _reply(verb: ElementTree.Element) -> Reply:
    bodies = [node.text or "" for node in verb if node.tag == "Body"]
    body = "".join(bodies) if bodies else (verb.text or "").strip()
    media = [(node.text or "").strip() for node in verb if node.tag == "Media"]
    callback = verb.get("statusCallback") or verb.get("action")
    return Reply(body, media, verb.get("to"), callback)


async def handle_answer(
    runtime: Runtime, account: Account, message: Message, parameters: Parameters, answer: Answer
) -> None:
    """Send the replies; follow redirects, each with a signed webhook of its own."""
    base = account.senders[message.sender].inbound_url or ""
    for _ in range(_MOST_REDIRECTS):
        try:
            replies, target = parse(answer)
        except TwimlError as error:
            runtime.log.add("error", code=error.code, sid=message.sid, error=str(error))
            return
        for reply in replies:
            _send(runtime, account, message, reply, base)
        if target is None:
            return
        base = urljoin(base, target)
        delivery = Delivery(account, base, parameters, "redirect", message.sid, "received")
        answer = await runtime.webhooks.deliver(delivery)
        if answer.failure is not None or answer.status is None:
            runtime.log.add("error", code=11200, sid=message.sid, error=answer.error)
            return


def _send(runtime: Runtime, account: Account, message: Message, reply: Reply, base: str) -> None:
    if not (reply.body or reply.media) or len(reply.body) > MAX_BODY:
        code = 14103 if not reply.body else 21617
        runtime.log.add("error", code=code, sid=message.sid, error="invalid <Message> body")
        return
    callback = urljoin(base, reply.status_callback) if reply.status_callback else None
    request = SendRequest(
        to=reply.to or message.person_address,
        sender=message.sender,
        service_sid=None,
        body=reply.body,
        media_urls=[urljoin(base, url) for url in reply.media if urlsplit(url).path],
        status_callback=callback,
        content=None,
        variables={},
        location=None,
        send_at=None,
    )
    sent = create_message(runtime, account, request, "outbound-reply")
    runtime.log.add("twiml_reply", sid=sent.sid, reply_to=message.sid, to=request.to)
    runtime.delivery.start(sent)
