"""The records of the simulator. Times are epoch seconds."""

import re
from dataclasses import dataclass, field, fields
from typing import Any, Self

NUMBER = re.compile(r"^\+[1-9]\d{6,14}$")
USER_ID = re.compile(r"^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$")
PREFIX = "whatsapp:"


class Record:
    """A dataclass that the store can save as JSON."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: value for name, value in data.items() if name in known})


@dataclass(slots=True)
class Sender(Record):
    """A business number. `number` is an address such as whatsapp:+14155238886."""

    number: str
    inbound_url: str | None = None
    status_url: str | None = None
    fallback_url: str | None = None
    name: str = ""


@dataclass(slots=True)
class SharedKey(Record):
    """Webhook signing by SharedKey and HMAC-SHA256 instead of the auth token."""

    id: str
    secret: str


@dataclass(slots=True)
class Account(Record):
    sid: str
    auth_token: str
    friendly_name: str = "simulator"
    senders: dict[str, Sender] = field(default_factory=dict)
    api_keys: dict[str, str] = field(default_factory=dict)
    services: dict[str, list[str]] = field(default_factory=dict)
    shared_key: SharedKey | None = None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Account":
        """Build from the documented JSON. Raises ValueError with a sentence if it is not valid."""
        sid, token = config.get("sid"), config.get("auth_token")
        if not isinstance(sid, str) or not re.fullmatch(r"AC[0-9a-f]{32}", sid):
            raise ValueError("sid must be AC and 32 lower-case hexadecimal digits")
        if not isinstance(token, str) or not token:
            raise ValueError("auth_token is required")
        account = cls(sid, token, str(config.get("friendly_name", "simulator")))
        for item in config.get("senders", []):
            sender = Sender.from_json({"number": "", **item})
            if not NUMBER.match(sender.number.removeprefix(PREFIX)):
                raise ValueError(f"sender number {sender.number!r} is not an E.164 number")
            sender.number = PREFIX + sender.number.removeprefix(PREFIX)
            account.senders[sender.number] = sender
        account.api_keys = dict(config.get("api_keys", {}))
        account.services = {k: list(v) for k, v in dict(config.get("services", {})).items()}
        shared = config.get("shared_key")
        account.shared_key = SharedKey(shared["id"], shared["secret"]) if shared else None
        return account

    def to_config(self) -> dict[str, Any]:
        return {
            "sid": self.sid,
            "auth_token": self.auth_token,
            "friendly_name": self.friendly_name,
            "senders": [sender.to_json() for sender in self.senders.values()],
            "api_keys": self.api_keys,
            "services": self.services,
            "shared_key": self.shared_key.to_json() if self.shared_key else None,
        }


@dataclass(slots=True)
class Phone(Record):
    """A person's phone: known by a number, by a WhatsApp user id (BSUID), or by both. `seq` is its
    place in the list."""

    number: str | None
    user_id: str | None
    name: str = ""
    auto_read: bool = False
    online: bool = True
    ready_made: bool = False
    listed: bool = False
    seq: int = 0

    @property
    def key(self) -> str:
        return self.number or self.user_id or ""

    @property
    def address(self) -> str:
        return PREFIX + self.key


@dataclass(slots=True)
class Media(Record):
    sid: str
    account_sid: str
    message_sid: str
    content_type: str
    created: float
    source_url: str | None = None
    size: int = 0


@dataclass(slots=True)
class Message(Record):
    """One bubble of one chat. `sender` is the business address, `phone` the person's key."""

    seq: int
    sid: str
    account_sid: str
    direction: str
    sender: str
    phone: str
    person_address: str
    body: str
    status: str
    created: float
    updated: float
    kind: str = "text"
    sent: float | None = None
    error_code: int | None = None
    error_message: str | None = None
    status_callback: str | None = None
    service_sid: str | None = None
    media: list[str] = field(default_factory=list)
    content_sid: str | None = None
    content: dict[str, Any] | None = None
    details: dict[str, Any] = field(default_factory=dict)
    reply_to: str | None = None
    send_at: float | None = None
    doomed: int | None = None
    webhook_status: int | None = None
    webhook_error: str | None = None
    feedback: str | None = None
    deleted: bool = False

    @property
    def inbound(self) -> bool:
        return self.direction == "inbound"

    @property
    def from_address(self) -> str:
        return self.person_address if self.inbound else self.sender

    @property
    def to_address(self) -> str:
        return self.sender if self.inbound else self.person_address


@dataclass(slots=True)
class Content(Record):
    """A template or rich message of the vendor's Content API."""

    sid: str
    account_sid: str
    friendly_name: str
    language: str
    variables: dict[str, str]
    types: dict[str, dict[str, Any]]
    created: float
    updated: float
    approval: dict[str, Any] = field(default_factory=lambda: {"status": "unsubmitted"})

    @property
    def status(self) -> str:
        return str(self.approval.get("status", "unsubmitted"))
