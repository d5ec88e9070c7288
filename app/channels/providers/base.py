"""What a provider must offer. Its names, codes and payloads stay in its own folder."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
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

    `status_callback` is the full URL at which the provider reports on this very attempt.
    """

    from_number: str
    to: Address
    content: Json
    status_callback: str


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

    `is_whole`: False where the list leaves something out, which `Client.complete` asks for.
    """

    provider_message_id: str
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

    `callback` is the query of the URL that it called: our own message id, attempt and proof.
    """

    provider_message_id: str
    status: Status
    error: ProviderError | None = None
    aliases: tuple[Address, ...] = ()
    callback: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ignored:
    """Something that needs no action, with the reason."""

    reason: str


ProviderEvent = InboundMessage | StatusReceipt | Ignored


class Client(Protocol):
    """The provider's API, for one channel. Blocking, with timeouts; never called in a transaction.

    Methods other than `send` raise `ProviderUnavailable` when the provider cannot be asked.
    `sent_messages` raises `NoList` where the provider keeps no list of what was sent.
    """

    def send(self, message: OutgoingMessage) -> SendOutcome: ...

    def verify(self, phone_number: str) -> Verification: ...

    def sent_messages(self, to: Address, from_number: str) -> Sequence[SentMessage]:
        """The newest outgoing messages between the two, newest first (at most 200)."""
        ...

    def heard_messages(self, listing: Listing) -> HeardPage:
        """One page of incoming messages. It may hold some from outside the span as well."""
        ...

    def complete(self, message: HeardMessage) -> HeardMessage:
        """A listed message with what its list left out, as far as the provider still has it."""
        ...


class ProviderUnavailable(Exception):
    """The provider did not answer, or answered that it cannot."""


class NoList(Exception):
    """The provider keeps no list of sent messages: what became of one, it cannot be asked."""


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
class Envelope:
    """What a webhook says of itself before anybody verified it; only good for finding candidates.

    `phone_number` is our own sender; `answer` is what the provider expects to read, as
    (HTTP status, MIME type, body).
    """

    account: str
    phone_number: str
    answer: tuple[int, str, str]


class Provider(Protocol):
    """One vendor: the factory of its clients, and the reader of its webhooks.

    `credentials_help` tells the API's readers what to give; `plain_fields` are the credentials
    that are no secret and may be shown whole; `webhook_suffix` is what belongs behind the webhook
    URL that people paste at the provider.
    """

    name: str
    credentials_help: str
    plain_fields: Set[str]
    webhook_suffix: str

    def read_credentials(self, given: Json, present: Json) -> Json:
        """`given` over what the channel has, checked; null removes a field.

        Raises marshmallow's ValidationError.
        """
        ...

    def account_of(self, credentials: Json) -> str:
        """The provider's name of the account that these credentials belong to."""
        ...

    def client(self, credentials: Json) -> Client: ...

    def envelope(self, body: bytes) -> Envelope:
        """Never raises."""
        ...

    def is_signed(self, request: WebhookRequest, credentials: Json) -> bool:
        """Whether the request was signed with these credentials. Never raises."""
        ...

    def event_key(self, raw: str) -> str:
        """The provider's name of this event: equal for a repeat of it. Never raises."""
        ...

    def parse(self, raw: str) -> ProviderEvent:
        """Raises ValueError for what no webhook of this provider looks like."""
        ...
