"""The interface of a provider. A provider's names, codes and payloads stay in its own folder."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from app.common.phone import Address
from app.models import Status

Json = dict[str, Any]

SECONDS_FOR_TYPING = 3.0
"""A typing indicator that takes longer would come after the answer."""


@dataclass(frozen=True)
class ProviderError:
    """Why something failed, in our words. `code` is ours and stable, `provider_code` is the
    provider's.

    `closes_window`: the provider says that the 24-hour window with this person is closed.
    `throttled`: too much was sent at once; the same message may be sent later.
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

    `token` names this attempt and proves that we made it. The client passes it to the provider in a
    way that returns it with each receipt: in the query of a URL of ours, or in a field that the
    provider does not read. It has at most 200 ASCII characters and is a well-formed query string.
    """

    from_number: str
    to: Address
    content: Json
    token: str


@dataclass(frozen=True)
class Accepted:
    """The provider accepted the message and gave it an id."""

    provider_message_id: str


@dataclass(frozen=True)
class Refused:
    """Refused for good: the same request would fail again."""

    error: ProviderError


class Fault(StrEnum):
    """The cause of a message not being processed."""

    MESSAGE = "message"
    """Trying again uses up one of the message's attempts."""
    CHANNEL = "channel"
    """Credentials, throttling or connection: the whole channel pauses, and the message keeps its
    attempts."""
    OURS = "ours"
    """We did not call the provider: the message is tried again as if nothing had happened."""


@dataclass(frozen=True)
class NotProcessed:
    """Certainly not processed, so safe to send again. `retry_after` is in seconds, if the provider
    said so.

    `throttled`: the provider wants the channel to send more slowly.
    """

    error: ProviderError
    retry_after: float | None = None
    fault: Fault = Fault.MESSAGE
    throttled: bool = False


@dataclass(frozen=True)
class Uncertain:
    """Unknown whether it was sent. Never repeated without asking the provider."""

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
    """One incoming message in the provider's own list, in the form of a webhook.

    `key` and `raw` are those of its `RawEvent`. `is_whole` is False where the list leaves something
    out, which `Client.complete` fetches.
    """

    provider_message_id: str
    key: str
    raw: str
    created_at: datetime
    is_whole: bool = True


@dataclass(frozen=True)
class HeardPage:
    """One page of the provider's list of incoming messages, newest first.

    `next_page` names the page after this one, None at the end of the list. `unreadable` counts the
    rows that could not be interpreted or dated.
    """

    messages: Sequence[HeardMessage]
    next_page: str | None = None
    unreadable: int = 0


@dataclass(frozen=True)
class Listing:
    """Which incoming messages to list: those to our sender from `since` to `until`.

    `until` None: up to now. `page`: a `next_page` of an earlier listing of the same sender.
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
    """A message of a customer. `aliases` are all their addresses, the one to answer to first."""

    provider_message_id: str
    aliases: tuple[Address, ...]
    to_number: str
    type: str
    body: str
    content: Json
    profile_name: str = ""


@dataclass(frozen=True)
class StatusReceipt:
    """A provider's report on a message of ours.

    `token` is the `OutgoingMessage.token` that was returned, or "" if none was.
    """

    provider_message_id: str
    status: Status
    error: ProviderError | None = None
    aliases: tuple[Address, ...] = ()
    token: str = ""


@dataclass(frozen=True)
class Ignored:
    """An event that needs no action, with the reason."""

    reason: str


ProviderEvent = InboundMessage | StatusReceipt | Ignored


class Client(Protocol):
    """The provider's API, for one channel. Blocking, with timeouts; never called in a transaction.

    Methods other than `send` raise `ProviderUnavailable` when the provider cannot be reached.
    """

    def send(self, message: OutgoingMessage) -> SendOutcome: ...

    def verify(self, phone_number: str) -> Verification: ...

    def sent_messages(self, to: Address, from_number: str) -> Sequence[SentMessage]:
        """Return the newest outgoing messages between the two, newest first (at most 200).

        Never called without `Capabilities.lists_sent`.
        """
        ...

    def heard_messages(self, listing: Listing) -> HeardPage:
        """Return one page of incoming messages. It may contain some from outside the time range.

        Never called without `Capabilities.lists_heard`; nor is `complete`.
        """
        ...

    def complete(self, message: HeardMessage) -> HeardMessage:
        """Return a listed message with the details that its list left out, if the provider still
        has them."""
        ...

    def show_typing(self, provider_message_id: str) -> None:
        """Show the person who wrote this message that an answer is being written, for as long as
        the provider shows it; the message may also become read. Ends within SECONDS_FOR_TYPING.

        Never called without `Capabilities.shows_typing`.
        """
        ...


class ProviderUnavailable(Exception):
    """The provider did not answer, or answered that it cannot."""


@dataclass(frozen=True)
class WebhookRequest:
    """An HTTP request of a provider, as received.

    `url` is our public base URL and the path and query exactly as sent, which the signature covers.
    """

    url: str
    query: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True)
class RawEvent:
    """One event of a webhook, before it is verified or interpreted.

    `key` is the provider's name of the event: a duplicate of the event has the same one. `account`
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
    """The events of one request of a provider. `answer` is the response that the provider
    expects."""

    events: Sequence[RawEvent]
    answer: Answer


@dataclass(frozen=True)
class Capabilities:
    """What a provider can do. The core checks these, and never a provider's name.

    `kinds`: the types of content that can be sent. `longest_text`: the limit of a text in
    characters. `has_window`: only templates can be sent more than 24 hours after the customer's
    last message. `lists_sent`, `lists_heard`: whether the provider can list the messages it sent
    for us, and those it received. Without the first, a message whose outcome is unclear ends
    `unknown`; without the second, messages whose webhook was lost are not found. `shows_typing`:
    the provider can show that an answer is being written.
    """

    kinds: Set[str]
    longest_text: int
    has_window: bool
    lists_sent: bool
    lists_heard: bool
    shows_typing: bool


class Provider(Protocol):
    """One vendor: the factory of its clients, and the reader of its webhooks.

    `credentials_help` tells the API's readers what to give; `plain_fields` are the credentials that
    are not secret and may be shown whole; `webhook_suffix` is appended to the webhook URL that
    people paste at the provider; `webhook_aliases` are other names that stand for `name` in that
    URL; `longest_webhook` is the size in bytes of the largest body that the provider sends.
    `is_shared_webhook`: one request may hold events of several senders, also of several
    tenants, so the sender in the event decides and not the key in the URL. `has_handshake`: the
    provider sends a challenge to a URL before it uses it.
    """

    name: str
    credentials_help: str
    plain_fields: Set[str]
    webhook_suffix: str
    webhook_aliases: Set[str]
    longest_webhook: int
    is_shared_webhook: bool
    has_handshake: bool
    capabilities: Capabilities

    def read_credentials(self, given: Json, present: Json) -> Json:
        """Return `given`, checked, merged over the channel's credentials; null removes a field.

        Raises marshmallow's ValidationError.
        """
        ...

    def account_of(self, credentials: Json) -> str:
        """Return the provider's name of the account that these credentials belong to."""
        ...

    def client(self, credentials: Json, webhook_url: str) -> Client:
        """Return a client of one channel, whose webhooks arrive at `webhook_url`."""
        ...

    def challenge(self, request: WebhookRequest, credentials: Json) -> str | None:
        """Return the text that answers the provider's handshake (a GET before its first webhook).

        `credentials` are those of the channel in the URL, {} without one. Returns None when the
        request is no handshake that these credentials, or the installation's settings, allow. Never
        called without `has_handshake`.
        """
        ...

    def read(self, request: WebhookRequest) -> Webhook:
        """Split a webhook into its events. Raises ValueError for a body that cannot be read.

        Content that can be read but not understood is an event too, so that nothing signed is lost.
        """
        ...

    def is_signed(self, request: WebhookRequest, credentials: Json) -> bool:
        """Return whether the request was signed with the channel's credentials. Never raises.

        A secret of the installation's settings may count as well, for an app that serves many
        channels, but only for credentials that are known to belong to that app: otherwise a tenant
        who enters somebody else's sender would get its messages.
        """
        ...

    def parse(self, raw: str) -> ProviderEvent:
        """Return the event in `raw`. Raises ValueError for a text that is no webhook of this
        provider."""
        ...
