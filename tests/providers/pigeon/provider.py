"""Pigeon as a provider: JSON over HTTP, signed with the channel's secret."""

import hashlib
import hmac
import http.client
import json
from collections.abc import Sequence, Set
from typing import Any
from urllib.parse import parse_qs, urlsplit

from marshmallow import fields

from app.channels.providers.base import (
    Accepted,
    Capabilities,
    Client,
    Fault,
    HeardMessage,
    HeardPage,
    Ignored,
    InboundMessage,
    Json,
    Listing,
    NotProcessed,
    OutgoingMessage,
    ProviderError,
    ProviderEvent,
    RawEvent,
    Refused,
    SendOutcome,
    SentMessage,
    StatusReceipt,
    Uncertain,
    Verification,
    Webhook,
    WebhookRequest,
)
from app.common.phone import Address, parse_address
from app.common.schema import BaseSchema
from app.models import Status

SIGNATURE = "X-Pigeon-Signature"
STATUSES = {
    "flown": Status.SENT,
    "landed": Status.DELIVERED,
    "opened": Status.READ,
    "eaten": Status.FAILED,
}


class PigeonCredentials(BaseSchema):
    loft = fields.String(required=True)
    url = fields.String(required=True)
    secret = fields.String(required=True)
    verify_token = fields.String(required=True)


def problem(code: str) -> ProviderError:
    return ProviderError(code, f"Pigeon says {code}.", "Ask the pigeon.", provider_code=code)


class PigeonClient:
    def __init__(self, credentials: Json) -> None:
        self._credentials = credentials

    def send(self, message: OutgoingMessage) -> SendOutcome:
        body = {
            "from": message.from_number,
            "to": message.to.value,
            "text": message.content["body"],
            "ref": message.token,
        }
        connection = http.client.HTTPConnection(
            urlsplit(self._credentials["url"]).netloc, timeout=2
        )
        try:
            connection.connect()
        except OSError:
            return NotProcessed(problem("unreachable"), fault=Fault.CHANNEL)
        try:
            connection.request("POST", "/letters", json.dumps(body))
            answer = connection.getresponse()
            told = json.loads(answer.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError):
            return Uncertain(problem("no_answer"))
        finally:
            connection.close()
        return _outcome(answer.status, told)

    def verify(self, phone_number: str) -> Verification:
        return Verification(True, None, f"{phone_number} flies.")

    def sent_messages(self, to: Address, from_number: str) -> Sequence[SentMessage]:
        raise AssertionError("Pigeon keeps no list.")

    def heard_messages(self, listing: Listing) -> HeardPage:
        raise AssertionError("Pigeon keeps no list.")

    def complete(self, message: HeardMessage) -> HeardMessage:
        raise AssertionError("Pigeon keeps no list.")

    def show_typing(self, provider_message_id: str) -> None:
        raise AssertionError("Nobody sees a pigeon write.")


def _outcome(status: int, told: dict[str, Any]) -> SendOutcome:
    if status == 201:
        return Accepted(told["letter"])
    if status == 429:
        return NotProcessed(problem("tired"), 1.0, Fault.CHANNEL, throttled=True)
    if status == 401:
        return NotProcessed(problem("stranger"), 60.0, Fault.CHANNEL)
    if status == 422:
        return Refused(problem("refused"))
    return Uncertain(problem("confused"))


class PigeonProvider:
    name: str = "pigeon"
    credentials_help: str = "loft, url, secret and verify_token."
    plain_fields: Set[str] = frozenset({"loft"})
    webhook_suffix: str = ""
    webhook_aliases: Set[str] = frozenset()
    longest_webhook: int = 3_000_000
    is_shared_webhook: bool = True
    has_handshake: bool = True
    capabilities: Capabilities = Capabilities(
        kinds=frozenset({"text"}),
        longest_text=140,
        has_window=False,
        lists_sent=False,
        lists_heard=False,
        shows_typing=False,
    )

    def read_credentials(self, given: Json, present: Json) -> Json:
        found: Json = PigeonCredentials().load({**present, **given})
        return found

    def account_of(self, credentials: Json) -> str:
        return str(credentials["loft"])

    def client(self, credentials: Json, webhook_url: str) -> Client:
        return PigeonClient(credentials)

    def challenge(self, request: WebhookRequest, credentials: Json) -> str | None:
        words = parse_qs(request.query)
        given = words.get("token", [""])[0].encode()
        wanted = str(credentials.get("verify_token", "")).encode()
        is_right = bool(wanted) and hmac.compare_digest(given, wanted)
        return words.get("challenge", [""])[0] if is_right else None

    def read(self, request: WebhookRequest) -> Webhook:
        try:
            told = json.loads(request.body)
            events = [_raw(each) for each in told["events"]]
        except (TypeError, KeyError, RecursionError) as error:
            raise ValueError("not of Pigeon") from error
        return Webhook(events, (200, "application/json", "{}"))

    def is_signed(self, request: WebhookRequest, credentials: Json) -> bool:
        headers = {name.lower(): value for name, value in request.headers.items()}
        given = headers.get(SIGNATURE.lower(), "")
        return hmac.compare_digest(given.encode(), signature(request.body, credentials).encode())

    def parse(self, raw: str) -> ProviderEvent:
        try:
            return _parse(json.loads(raw))
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError("not of Pigeon") from error


def signature(body: bytes, credentials: Json) -> str:
    secret = str(credentials["secret"]).encode()
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def _raw(told: dict[str, Any]) -> RawEvent:
    key = f"{told['kind']}:{told['letter']}:{told.get('status', '')}"
    return RawEvent(key, str(told["loft"]), str(told["sender"]), json.dumps(told))


def _parse(told: dict[str, Any]) -> ProviderEvent:
    person = parse_address(told["person"])
    if told["kind"] == "letter":
        content = {"type": "text", "body": str(told["text"])}
        return InboundMessage(
            provider_message_id=str(told["letter"]),
            aliases=(person,),
            to_number=str(told["sender"]),
            type="text",
            body=content["body"],
            content=content,
        )
    status = STATUSES.get(told["status"])
    if status is None:
        return Ignored(f"status {told['status']}")
    return StatusReceipt(
        provider_message_id=str(told["letter"]),
        status=status,
        error=problem("eaten") if status is Status.FAILED else None,
        aliases=(person,),
        token=str(told["ref"]),
    )
