"""Twilio's API for one channel. Blocking; safe to share between threads."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC
from typing import Any, TypeVar

import requests
import structlog
from twilio.base import values
from twilio.base.exceptions import TwilioException
from twilio.http.response import Response
from twilio.rest import Client as TwilioLibrary
from urllib3.exceptions import HTTPError

from app.channels.providers.base import (
    SECONDS_FOR_TYPING,
    Accepted,
    Fault,
    HeardMessage,
    HeardPage,
    Json,
    Listing,
    NotProcessed,
    OutgoingMessage,
    ProviderUnavailable,
    Refused,
    SendOutcome,
    SentMessage,
    Uncertain,
    Verification,
)
from app.channels.providers.twilio import errors, heard, ownership
from app.channels.providers.twilio.addresses import bare, spell
from app.channels.providers.twilio.errors import Kind
from app.channels.providers.twilio.outgoing import UnsupportedContent, parameters
from app.channels.providers.twilio.statuses import STATUSES
from app.channels.providers.twilio.transport import WatchedHttpClient, exchange
from app.common.phone import Address
from app.models import Status

log = structlog.get_logger(__name__)

MESSAGE_SID = re.compile(r"[SM]M[0-9a-fA-F]{32}")
MOST_LISTED = 200
PAGE_SIZE = 200
MOST_MEDIA = 10
GONE = frozenset({404, 410})
CREDENTIALS_PAUSE_SECONDS = 60.0
"""Between two attempts of a channel whose credentials are rejected: after they are corrected,
sending resumes within this time, and Twilio gets at most one call a minute for each message."""
TROUBLE_PAUSE_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 3600.0

# `TwilioServiceException` is not a `TwilioRestException`. Network errors are not wrapped at all,
# and an answer that is not JSON, or not the expected object, surfaces as one of the last four.
TROUBLE = (
    TwilioException,
    requests.RequestException,
    HTTPError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
)

Answer = TypeVar("Answer")

OWN_API = "https://api.twilio.com"


class TwilioClient:
    def __init__(
        self,
        credentials: Json,
        webhook_url: str,
        *,
        timeout_seconds: float,
        base_url: str = "",
    ) -> None:
        """`webhook_url` is where Twilio reports on messages. `base_url` replaces all of Twilio's
        hosts; if empty or Twilio's own, Twilio itself is used."""
        self._credentials = credentials
        self._webhook_url = webhook_url
        self._account_sid: str = credentials["account_sid"]
        self._base_url = base_url.rstrip("/")
        self._home = self._base_url or OWN_API
        self._http = WatchedHttpClient(timeout_seconds)
        user = credentials.get("api_key_sid") or self._account_sid
        password = credentials.get("api_key_secret") or credentials["auth_token"]
        self._library = self._make(user, password)

    def _make(self, user: str, password: str) -> TwilioLibrary:
        # An empty environment: TWILIO_EDGE or TWILIO_REGION would rewrite every host.
        library = TwilioLibrary(
            user, password, self._account_sid, http_client=self._http, environment={"": ""}
        )
        # Twilio serves each domain on a host of its own.
        if self._base_url not in ("", OWN_API):
            for domain in (library.api, library.content, library.messaging):
                domain.base_url = self._base_url
        return library

    def send(self, message: OutgoingMessage) -> SendOutcome:
        """Never raises for errors of the provider or the network."""
        try:
            service_sid = self._credentials.get("messaging_service_sid")
            arguments = parameters(message, self._webhook_url, service_sid)
        except UnsupportedContent:
            return Refused(errors.explain(errors.UNSUPPORTED))
        exchange.reset()
        try:
            made = self._library.messages.create(**arguments)
            sid = str(made.sid)
        except TROUBLE as trouble:
            return self._trouble(trouble)
        if not MESSAGE_SID.fullmatch(sid):
            return Uncertain(errors.explain(errors.UNREADABLE))
        return Accepted(sid)

    def _trouble(self, trouble: Exception) -> SendOutcome:
        """Return what is known after a create that did not return a message."""
        answer = exchange.response
        if answer is not None:
            return outcome_of(answer)
        log.info("provider_trouble", error=type(trouble).__name__, written=exchange.written)
        if exchange.written:
            return Uncertain(errors.explain(errors.NO_ANSWER))
        return NotProcessed(errors.explain(errors.UNREACHABLE), fault=Fault.CHANNEL)

    def verify(self, phone_number: str) -> Verification:
        """Check that token and key are valid and that the number is this account's WhatsApp sender.

        The auth token is checked even where an API key sends, because webhooks are signed with it.
        """
        library = self._make(self._account_sid, self._credentials["auth_token"])
        found = ownership.check_account(
            self._ask(library.api.v2010.accounts(self._account_sid).fetch)
        )
        if found is None and self._credentials.get("api_key_sid"):
            found = ownership.check_key(
                self._ask(lambda: self._library.messages.list(limit=1, page_size=1))
            )
        if found is not None:
            return found
        listed = self._ask(
            lambda: self._library.messaging.v2.channels_senders.list(
                channel="whatsapp", page_size=PAGE_SIZE
            )
        )
        return ownership.check_sender(listed, spell(phone_number))

    def _ask(self, call: Callable[[], Answer]) -> "Answer | int":
        """Return the answer, or the HTTP status of a refusal. Raises ProviderUnavailable."""
        exchange.reset()
        try:
            return call()
        except TROUBLE as trouble:
            answer = exchange.response
            status = answer.status_code if answer is not None else 0
            if 400 <= status < 500 and status not in {408, 429}:
                return int(status)
            reason = f"HTTP {status}" if status else type(trouble).__name__
            raise ProviderUnavailable(reason) from trouble

    def _must(self, call: Callable[[], Answer]) -> Answer:
        """Return the answer. Raises ProviderUnavailable, also for a refusal."""
        answer = self._ask(call)
        if isinstance(answer, int):
            raise ProviderUnavailable(f"HTTP {answer}")
        return answer

    def sent_messages(self, to: Address, from_number: str) -> Sequence[SentMessage]:
        """List without a date filter: a queued message has no `date_sent` yet and would be missed.

        A Messaging Service picks the sender later, so a message that is only accepted may have no
        From; the list is then filtered by recipient alone.
        """
        query: dict[str, Any] = {"to": spell(to.value), "limit": MOST_LISTED}
        if not self._credentials.get("messaging_service_sid"):
            query["from_"] = spell(from_number)
        rows = self._must(lambda: self._library.messages.list(**query, page_size=PAGE_SIZE))
        return [
            _sent(row)
            for row in rows
            if str(row.direction).startswith("outbound") and bare(row.from_) in ("", from_number)
        ]

    def heard_messages(self, listing: Listing) -> HeardPage:
        """The list has text and media only; it lacks location, button replies and profile name."""
        return self._must(lambda: self._heard_page(listing))

    def _heard_page(self, listing: Listing) -> HeardPage:
        """Raises ValueError for a page that is not of this account's list, or for a list that never
        ends."""
        messages = self._library.messages
        pages = f"/2010-04-01/Accounts/{self._account_sid}/Messages.json?"
        if listing.page is None:
            page = messages.page(
                to=spell(listing.to_number),
                date_sent_after=listing.since.astimezone(UTC),
                date_sent_before=listing.until.astimezone(UTC) if listing.until else values.unset,
                page_size=PAGE_SIZE,
            )
        else:
            heard.refuse_foreign(listing.page, pages)
            page = messages.get_page(self._library.api.absolute_url(listing.page))
        next_page = heard.path_of(page.next_page_url, self._library.api.base_url)
        if next_page is not None:
            heard.refuse_foreign(next_page, pages)
            if next_page == listing.page:
                raise ValueError("a page that is followed by itself")
        return heard.read_page(page, next_page)

    def complete(self, message: HeardMessage) -> HeardMessage:
        """Return the message with its media; without them if they were deleted."""
        media = self._library.messages(message.provider_message_id).media
        found = self._ask(lambda: heard.read_media(media.list(limit=MOST_MEDIA), self._home))
        if isinstance(found, int):
            if found not in GONE:
                raise ProviderUnavailable(f"HTTP {found}")
            found = {}
        return heard.with_media(message, found)

    def show_typing(self, provider_message_id: str) -> None:
        """Twilio marks the message as read, too."""
        # The library's own method for this takes no timeout.
        answer = self._must(
            lambda: self._library.messaging.v2.request(
                "POST",
                "/Indicators/Typing.json",
                data={"channel": "whatsapp", "messageId": provider_message_id},
                timeout=SECONDS_FOR_TYPING,
            )
        )
        if answer.status_code >= 400:
            raise ProviderUnavailable(f"HTTP {answer.status_code}")


def _sent(row: Any) -> SentMessage:
    status = STATUSES.get(str(row.status), Status.ACCEPTED)
    failed = status is Status.FAILED
    return SentMessage(
        provider_message_id=row.sid,
        status=status,
        to=bare(row.to),
        from_number=bare(row.from_),
        body=row.body or "",
        created_at=row.date_created,
        error=errors.describe(errors.code_of(row.error_code)) if failed else None,
    )


def outcome_of(answer: Response) -> SendOutcome:
    """Return what an HTTP answer without a message says about the request.

    401 is not the message's fault: the channel pauses, no attempt is used up, and everything is
    sent once the token is corrected. A 4xx without a Twilio code did not come from the Messages
    resource, so it proves nothing.
    """
    status, code = int(answer.status_code), errors.code_in(answer.text)
    error = errors.describe(code, status)
    if status == 429:
        return NotProcessed(error, _retry_after(answer), Fault.CHANNEL, throttled=True)
    if status == 401:
        error = errors.describe(20003)
        return NotProcessed(error, CREDENTIALS_PAUSE_SECONDS, Fault.CHANNEL)
    if not 400 <= status < 500 or status == 408 or code is None:
        return Uncertain(error)
    kind = errors.entry_for(code).kind
    if kind is Kind.THROTTLE:
        return NotProcessed(error, _retry_after(answer), Fault.CHANNEL, throttled=True)
    if error.code == errors.CREDENTIALS_REJECTED:
        return NotProcessed(error, CREDENTIALS_PAUSE_SECONDS, Fault.CHANNEL)
    if kind is Kind.RETRY:
        return NotProcessed(error, _retry_after(answer) or TROUBLE_PAUSE_SECONDS)
    return Uncertain(error) if kind is Kind.UNCERTAIN else Refused(error)


def _retry_after(answer: Response) -> float | None:
    """Return the seconds, if the header gives a number."""
    text = (answer.headers or {}).get("Retry-After", "")
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        return None
    return min(float(text), LONGEST_PAUSE_SECONDS)
