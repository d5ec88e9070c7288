"""What a provider must offer. Its names, codes and payloads stay in its own folder."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from app.common.phone import Address
from app.models import Status

Json = dict[str, Any]


@dataclass(frozen=True)
class ProviderError:
    """Why something failed, in our words: `code` is ours and stable, `provider_code` theirs.

    `closes_window`: the provider says that the 24-hour window with this person is shut.
    `throttled`: too much was sent at once; the same message may go out later.
    """

    code: str
    cause: str
    remedy: str
    provider_code: str | None = None
    closes_window: bool = False
    throttled: bool = False

    def to_json(self) -> Json:
        return {
            "code": self.code,
            "cause": self.cause,
            "remedy": self.remedy,
            "provider_code": self.provider_code,
        }


@dataclass(frozen=True)
class OutgoingMessage:
    """What a client sends. `content` has the form of app/messages/content.py.

    `token` names this very attempt and proves that we made it. The client hands it to the provider
    in a way that brings it back with each receipt: as the query of a URL of ours, or in a field
    that the provider does not read. At most 200 ASCII characters, and a well-formed query string.
    """

    from_number: str
    to: Address
    content: Json
    token: str


@dataclass(frozen=True)
class Accepted:
    """The provider took it and gave it an id."""

    provider_message_id: str


@dataclass(frozen=True)
class Refused:
    """Refused for good: the same request would fail again."""

    error: ProviderError


class Fault(StrEnum):
    """Whose trouble it is that a message was not processed."""

    MESSAGE = "message"
    """Trying it again uses up one of the message's attempts."""
    CHANNEL = "channel"
    """Credentials, throttling, connection: the whole channel pauses, the message keeps its
    attempts."""
    OURS = "ours"
    """We did not get round to it: it is tried again as if nothing had been."""


@dataclass(frozen=True)
class NotProcessed:
    """Surely not processed, so safe to send again. `retry_after` in seconds, when they said.

    `throttled`: the provider wants the channel to send more slowly.
    """

    error: ProviderError
    retry_after: float | None = None
    fault: Fault = Fault.MESSAGE
    throttled: bool = False


@dataclass(frozen=True)
class Uncertain:
    """Nobody can say: it may have been sent. Never repeated blindly."""

    error: ProviderError


SendOutcome = Accepted | Refused | NotProcessed | Uncertain


@dataclass(frozen=True)
class SentMessage:
    """One outgoing message in the provider's own list."""

    provider_message_id: str
    status: Status
    to: str
    from_number: str
    body: str
    created_at: datetime
    error: ProviderError | None = None


@dataclass(frozen=True)
class HeardMessage:
    """One incoming message in the provider's own list, as a webhook would have told it.

    `key` and `raw` are those of its `RawEvent`. `is_whole`: False where the list leaves something
    out, which `Client.complete` asks for.
    """

    provider_message_id: str
    key: str
    raw: str
    created_at: datetime
    is_whole: bool = True


@dataclass(frozen=True)
class HeardPage:
    """One page of the provider's list of incoming messages, newest first.

    `next_page` is what to ask for after this one, None at the end of the list. `unreadable` counts
    the rows of which nobody can say what they are or when they were written.
    """

    messages: Sequence[HeardMessage]
    next_page: str | None = None
    unreadable: int = 0


@dataclass(frozen=True)
class Listing:
    """Which incoming messages to list: those to our sender from `since` to `until`.

    `until` None: up to now. `page`: a `next_page` that a listing of the same sender gave.
    """

    to_number: str
    since: datetime
    until: datetime | None = None
    page: str | None = None


@dataclass(frozen=True)
class Verification:
    """Whether the credentials own the sender; None where the provider does not say."""

    credentials_valid: bool
    owns_sender: bool | None
    detail: str


@dataclass(frozen=True)
class InboundMessage:
    """A customer wrote. `aliases` are all their addresses, the one to answer to first."""

    provider_message_id: str
    aliases: tuple[Address, ...]
    to_number: str
    type: str
    body: str
    content: Json
    profile_name: str = ""


@dataclass(frozen=True)
class StatusReceipt:
    """The provider reports on a message of ours.

    `token` is the `OutgoingMessage.token` that came back, "" where none did.
    """

    provider_message_id: str
    status: Status
    error: ProviderError | None = None
    aliases: tuple[Address, ...] = ()
    token: str = ""


@dataclass(frozen=True)
class Ignored:
    """Something that needs no action, with the reason."""

    reason: str


ProviderEvent = InboundMessage | StatusReceipt | Ignored


class Client(Protocol):
    """The provider's API, for one channel. Blocking, with timeouts; never called in a transaction.

    Methods other than `send` raise `ProviderUnavailable` when the provider cannot be asked.
    """

    def send(self, message: OutgoingMessage) -> SendOutcome: ...

    def verify(self, phone_number: str) -> Verification: ...

    def sent_messages(self, to: Address, from_number: str) -> Sequence[SentMessage]:
        """The newest outgoing messages between the two, newest first (at most 200).

        Never called without `Capabilities.lists_sent`.
        """
        ...

    def heard_messages(self, listing: Listing) -> HeardPage:
        """One page of incoming messages. It may hold some from outside the span as well.

        Never called without `Capabilities.lists_heard`; nor is `complete`.
        """
        ...

    def complete(self, message: HeardMessage) -> HeardMessage:
        """A listed message with what its list left out, as far as the provider still has it."""
        ...


class ProviderUnavailable(Exception):
    """The provider did not answer, or answered that it cannot."""


@dataclass(frozen=True)
class WebhookRequest:
    """An HTTP request of a provider, as it came.

    `url` is our public base URL and the path and query exactly as sent: what the signature covers.
    """

    url: str
    query: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class RawEvent:
    """One event of a webhook, before anybody verified or interpreted it.

    `key` is the provider's name of the event: a repeat of the event has the same one. `account`
    and `phone_number` name our sender that it is for; they are empty where the webhook does not
    say. `raw` is the text that the inbox keeps and `Provider.parse` reads.
    """

    key: str
    account: str
    phone_number: str
    raw: str


Answer = tuple[int, str, str]
"""(HTTP status, MIME type, body)."""


@dataclass(frozen=True)
class Webhook:
    """What one request of a provider holds. `answer` is what the provider expects to read."""

    events: Sequence[RawEvent]
    answer: Answer


@dataclass(frozen=True)
class Capabilities:
    """What can be done with a provider. The core asks these, and never a provider's name.

    `kinds`: the types of content that can be sent. `longest_text`: of a text, in characters.
    `has_window`: what is no template can be sent only within 24 hours of the customer's last
    message. `lists_sent`, `lists_heard`: whether the provider can be asked which messages it sent
    for us, and which it heard; without the first, a message that nobody can account for ends
    `unknown`, and without the second, nothing finds what a webhook did not bring.
    """

    kinds: Set[str]
    longest_text: int
    has_window: bool
    lists_sent: bool
    lists_heard: bool


class Provider(Protocol):
    """One vendor: the factory of its clients, and the reader of its webhooks.

    `credentials_help` tells the API's readers what to give; `plain_fields` are the credentials
    that are no secret and may be shown whole; `webhook_suffix` is what belongs behind the webhook
    URL that people paste at the provider; `webhook_aliases` are further names that stand for `name`
    in that URL. `is_shared_webhook`: one request may hold events of
    several senders, also of several tenants, so the sender in the event decides and not the key in
    the URL. `has_handshake`: it asks a URL for a challenge's answer before it uses it.
    """

    name: str
    credentials_help: str
    plain_fields: Set[str]
    webhook_suffix: str
    webhook_aliases: Set[str]
    is_shared_webhook: bool
    has_handshake: bool
    capabilities: Capabilities

    def read_credentials(self, given: Json, present: Json) -> Json:
        """`given` over what the channel has, checked; null removes a field.

        Raises marshmallow's ValidationError.
        """
        ...

    def account_of(self, credentials: Json) -> str:
        """The provider's name of the account that these credentials belong to."""
        ...

    def client(self, credentials: Json, webhook_url: str) -> Client:
        """A client of one channel, whose webhooks come to `webhook_url`."""
        ...

    def challenge(self, request: WebhookRequest, credentials: Json) -> str | None:
        """The text that answers the provider's handshake (a GET before its first webhook).

        `credentials` are those of the channel in the URL, {} without one. None when the request is
        no handshake that these credentials, or the installation's settings, allow. Never called
        without `has_handshake`.
        """
        ...

    def read(self, request: WebhookRequest) -> Webhook:
        """Split a webhook into its events. Raises ValueError for a body that nobody can read.

        What can be read but not understood is an event, too, so that nothing signed is lost.
        """
        ...

    def is_signed(self, request: WebhookRequest, credentials: Json) -> bool:
        """Whether the request was signed with the channel's credentials. Never raises.

        A secret of the installation's settings may count as well, for an app that serves many
        channels, but only for credentials that are known to belong to that app: else a tenant who
        enters somebody else's sender would get its messages.
        """
        ...

    def parse(self, raw: str) -> ProviderEvent:
        """Raises ValueError for what no webhook of this provider looks like."""
        ...
