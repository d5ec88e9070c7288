"""What a provider must offer. Its names, codes and payloads stay in its own folder."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from app.common.phone import Address
from app.models import Status

Json = dict[str, Any]


@dataclass(frozen=True)
class ProviderError:
    """Why something failed, in our words: `code` is ours and stable, `provider_code` theirs.

    `closes_window`: the provider says that the 24-hour window with this person is shut.
    """

    code: str
    cause: str
    remedy: str
    provider_code: str | None = None
    closes_window: bool = False

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


@dataclass(frozen=True)
class NotProcessed:
    """Surely not processed, so safe to send again. `retry_after` in seconds, when they said.

    `throttled`: it is the channel's trouble rather than this message's, so all of the channel
    should pause.
    """

    error: ProviderError
    retry_after: float | None = None
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
    """One incoming message in the provider's own list, as a webhook would have told it."""

    provider_message_id: str
    raw: str
    created_at: datetime


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
    """

    def send(self, message: OutgoingMessage) -> SendOutcome: ...

    def verify(self, phone_number: str) -> Verification: ...

    def sent_messages(self, to: Address, from_number: str) -> Sequence[SentMessage]:
        """The newest outgoing messages between the two, newest first (at most 200)."""
        ...

    def heard_messages(self, to_number: str, since: datetime) -> Sequence[HeardMessage]:
        """The incoming messages to our sender since that moment, oldest first."""
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
