"""The channels of a tenant: adding, changing, removing and verifying them, and selecting one to
send from."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from marshmallow import ValidationError
from sqlalchemy.orm import Session

from app import db
from app.channels import cache, repository, secrets, trouble
from app.channels.cache import (
    ChannelRef,
    Connection,
    WebhookChannel,
    client_for,
    connection,
    reader_for,
    remembered_webhook,
    resolve_webhook,
    webhook_channel,
)
from app.channels.errors import (
    ChannelBusy,
    ChannelDisabled,
    ChannelExists,
    ChannelGone,
    ChannelHasBot,
    ChannelNotFound,
    NoChannel,
    UnknownSender,
)
from app.channels.providers.base import Client, Json, ProviderUnavailable, Verification
from app.channels.providers.registry import provider_of
from app.channels.trouble import pause, resume
from app.common import audit, caps, clock
from app.common.ids import new_id, new_secret
from app.common.pagination import Page, PageRequest
from app.common.phone import parse_phone
from app.common.principal import Principal
from app.errors import InvalidInput, Unavailable, flatten_messages
from app.models import Channel, ChannelStatus

__all__ = [
    "ChannelGone",
    "ChannelRef",
    "Connection",
    "WebhookChannel",
    "client_for",
    "connection",
    "pause",
    "reader_for",
    "remembered_webhook",
    "resolve_webhook",
    "resume",
    "webhook_channel",
]

KEY_BYTES = 24
DEFAULT_RATE = 80
"""Messages per second of a WhatsApp sender at Twilio (WhatsApp best practices)."""

MOST_CHANNELS = 500

SETTINGS = ("name", "messages_per_second", "status")


@dataclass(frozen=True)
class ChannelSummary:
    """What other answers show of a channel."""

    id: UUID
    name: str
    provider: str
    phone_number: str


@dataclass(frozen=True)
class ChannelDetails:
    """What its business may see of a channel: no secret, only the last characters of each."""

    id: UUID
    name: str
    provider: str
    phone_number: str
    credentials: Json
    webhook_url: str
    messages_per_second: int
    is_default: bool
    status: str
    trouble: Json | None
    verified_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class VerificationResult:
    """The provider's answer about a channel; `owns_sender` is None when it does not say."""

    verified: bool
    credentials_valid: bool
    owns_sender: bool | None
    detail: str
    checked_at: datetime


def list_channels(session: Session, page: PageRequest) -> Page[ChannelDetails]:
    found = repository.list_page(session, page)
    return Page([describe(channel) for channel in found.items], found.next_cursor)


def get_channel(session: Session, channel_id: UUID, *, lock: bool = False) -> Channel:
    """Raises ChannelNotFound."""
    found = repository.find(session, channel_id, lock=lock)
    if found is None:
        raise ChannelNotFound
    return found


def create_channel(session: Session, actor: Principal | None, data: Json) -> Channel:
    """Create a channel from `data` as NewChannelSchema loads it. The first one of a tenant is its
    default.

    Raises ProviderNotOffered, InvalidInput, LimitReached, ChannelExists.
    """
    provider = provider_of(data["provider"])
    credentials = _read_credentials(provider.name, data["credentials"], {})
    repository.lock_tenant(session)
    caps.refuse_more(session, Channel, MOST_CHANNELS, "channels")
    channel = Channel(
        id=new_id(),
        name=data.get("name") or data["phone_number"],
        provider=provider.name,
        account=provider.account_of(credentials),
        phone_number=data["phone_number"],
        key=new_secret(KEY_BYTES),
        messages_per_second=data.get("messages_per_second", DEFAULT_RATE),
        status=data.get("status", ChannelStatus.ACTIVE),
    )
    _refuse_twin(session, channel)
    _store(session, channel, credentials)
    is_first = repository.find_default(session) is None
    session.add(channel)
    session.flush()
    if is_first or data.get("is_default"):
        _make_default(session, channel)
    session.refresh(channel)
    changes = {"fields": sorted(data), "phone_number": channel.phone_number}
    audit.record(session, actor, "channel.created", ("channel", channel.id), changes)
    db.after_commit(session, cache.forget_senders)
    return channel


def change_channel(session: Session, actor: Principal, channel_id: UUID, data: Json) -> Channel:
    """Change a channel by `data` as ChannelChangeSchema loads it; fields left out stay.

    Raises ChannelNotFound, InvalidInput, ChannelExists.
    """
    repository.lock_tenant(session)
    channel = get_channel(session, channel_id, lock=True)
    _refuse_fixed(channel, data)
    for name in SETTINGS:
        if name in data:
            setattr(channel, name, data[name])
    if "credentials" in data:
        _change_credentials(session, channel, data["credentials"])
    elif data.get("status") == ChannelStatus.ACTIVE and not channel.credential_hints:
        reason = "Its credentials were removed when it was deleted: give them again."
        raise InvalidInput({"credentials": [reason]})
    if data.get("is_default"):
        _make_default(session, channel)
    session.flush()
    # Whoever changes a channel wants to see at once whether that helped.
    trouble.resume(session, channel.id)
    session.refresh(channel)
    changed = sorted({name for name in data if name != "credentials"})
    changed += sorted(f"credentials.{name}" for name in data.get("credentials", {}))
    audit.record(session, actor, "channel.updated", ("channel", channel.id), {"fields": changed})
    _forget_after_commit(session, channel.id)
    return channel


def delete_channel(session: Session, actor: Principal, channel_id: UUID) -> None:
    """Delete the channel or, where conversations refer to it, disable it and remove its
    credentials.

    Raises ChannelNotFound, ChannelHasBot, ChannelBusy.
    """
    repository.lock_tenant(session)
    channel = get_channel(session, channel_id, lock=True)
    if repository.has_bot(session, channel_id):
        raise ChannelHasBot
    if repository.has_messages_on_their_way(session, channel_id):
        raise ChannelBusy
    was_default, kept = channel.is_default, repository.has_history(session, channel_id)
    channel.is_default = False
    if kept:
        channel.status = ChannelStatus.DISABLED
        _store(session, channel, {})
        channel.verified_at, channel.verification = None, {}
    else:
        session.delete(channel)
    session.flush()
    successor = repository.oldest_active(session, channel_id) if was_default else None
    if successor is not None:
        _make_default(session, successor)
    changes = {"phone_number": channel.phone_number, "kept_for_its_history": kept}
    audit.record(session, actor, "channel.deleted", ("channel", channel_id), changes)
    _forget_after_commit(session, channel_id)


def sender_number(from_number: str | None) -> str | None:
    """Return the requested sender in E.164; None for the default. Raises InvalidInput."""
    try:
        return None if from_number is None else parse_phone(from_number)
    except ValueError as error:
        raise InvalidInput({"from_number": [str(error)]}) from error


def sending(found: Channel | None, number: str | None) -> Channel:
    """Return the channel that was found for `number` (None: the default), if it can send.

    Raises NoChannel, UnknownSender, ChannelDisabled.
    """
    if found is None:
        raise NoChannel if number is None else UnknownSender
    return _active(found)


def usable(session: Session, channel_id: UUID) -> Channel:
    """Return the channel of a conversation, for a reply. Raises ChannelNotFound,
    ChannelDisabled."""
    return _active(get_channel(session, channel_id))


def _active(channel: Channel) -> Channel:
    if channel.status != ChannelStatus.ACTIVE:
        raise ChannelDisabled
    return channel


def find_active(session: Session, phone_number: str) -> ChannelSummary | None:
    """Return the channel with this number, None if there is none. Raises ChannelDisabled."""
    found = repository.find_by_number(session, phone_number)
    return None if found is None else _summary(_active(found))


def open_credentials(session: Session, channel: Channel) -> Json:
    """Return the decrypted credentials; {} once they were removed. Raises CannotOpen."""
    return secrets.unseal(session, channel)


def summaries(session: Session, channel_ids: Sequence[UUID]) -> dict[UUID, ChannelSummary]:
    """Return the summary of each of these channels that exists, by its id."""
    return {channel.id: _summary(channel) for channel in repository.find_many(session, channel_ids)}


def _summary(channel: Channel) -> ChannelSummary:
    return ChannelSummary(channel.id, channel.name, channel.provider, channel.phone_number)


def describe(channel: Channel) -> ChannelDetails:
    """Return what its business may see of a channel."""
    suffix = provider_of(channel.provider).webhook_suffix
    return ChannelDetails(
        id=channel.id,
        name=channel.name,
        provider=channel.provider,
        phone_number=channel.phone_number,
        credentials=channel.credential_hints,
        webhook_url=cache.public_webhook_url(channel.provider, channel.key) + suffix,
        messages_per_second=channel.messages_per_second,
        is_default=channel.is_default,
        status=channel.status,
        trouble=trouble.describe(channel),
        verified_at=channel.verified_at,
        created_at=channel.created_at,
        updated_at=channel.updated_at,
    )


@dataclass(frozen=True)
class Probe:
    """What a verification needs after its transaction."""

    channel_id: UUID
    phone_number: str
    client: Client


def prepare_verification(session: Session, channel_id: UUID) -> Probe:
    """Raises ChannelNotFound, and ChannelDisabled if the credentials were removed."""
    channel = get_channel(session, channel_id)
    credentials = open_credentials(session, channel)
    if not credentials:
        raise ChannelDisabled
    webhook_url = cache.public_webhook_url(channel.provider, channel.key)
    client = provider_of(channel.provider).client(credentials, webhook_url)
    return Probe(channel.id, channel.phone_number, client)


def verify(actor: Principal, probe: Probe) -> VerificationResult:
    """Ask the provider, with no transaction open, and store its answer.

    Raises Unavailable when it cannot be reached, ChannelNotFound when the channel was deleted
    meanwhile.
    """
    try:
        found = probe.client.verify(probe.phone_number)
    except ProviderUnavailable as error:
        raise Unavailable(
            "The provider could not be asked just now. Try again in a minute.",
            code="provider_unavailable",
        ) from error
    with db.tenant_session(actor.tenant_id) as session:
        return _keep_verification(session, actor, probe.channel_id, found)


def _keep_verification(
    session: Session, actor: Principal, channel_id: UUID, found: Verification
) -> VerificationResult:
    repository.lock_tenant(session)
    channel = get_channel(session, channel_id, lock=True)
    now = clock.now()
    result = VerificationResult(
        verified=found.credentials_valid and found.owns_sender is not False,
        credentials_valid=found.credentials_valid,
        owns_sender=found.owns_sender,
        detail=found.detail,
        checked_at=now,
    )
    kept = {**asdict(result), "checked_at": clock.isoformat(now)}
    channel.verified_at = now if result.verified else None
    channel.verification = kept
    audit.record(session, actor, "channel.verified", ("channel", channel_id), kept)
    return result


def _read_credentials(provider: str, given: Json, present: Json) -> Json:
    """Raises InvalidInput, which names fields and never repeats a value."""
    try:
        return provider_of(provider).read_credentials(given, present)
    except ValidationError as error:
        raise InvalidInput(flatten_messages({"json": {"credentials": error.messages}})) from error


def _change_credentials(session: Session, channel: Channel, given: Json) -> None:
    present = secrets.unseal(session, channel)
    credentials = _read_credentials(channel.provider, given, present)
    channel.account = provider_of(channel.provider).account_of(credentials)
    _refuse_twin(session, channel)
    _store(session, channel, credentials)
    channel.verified_at, channel.verification = None, {}


def _store(session: Session, channel: Channel, credentials: Json) -> None:
    channel.credentials = secrets.seal(session, channel.id, credentials)
    channel.credential_hints = secrets.hints(provider_of(channel.provider), credentials)


def _refuse_twin(session: Session, channel: Channel) -> None:
    with session.no_autoflush:
        if repository.find_twin(session, channel) is not None:
            raise ChannelExists


def _refuse_fixed(channel: Channel, data: Json) -> None:
    """Raises InvalidInput for fields that cannot be changed."""
    reasons: dict[str, list[str]] = {
        name: ["This cannot be changed. Add another channel instead."]
        for name in ("provider", "phone_number")
        if name in data and data[name] != getattr(channel, name)
    }
    if data.get("is_default") is False and channel.is_default:
        reasons["is_default"] = [
            ("Make another channel the default instead; this one then stops being it.")
        ]
    if reasons:
        raise InvalidInput(reasons)


def _make_default(session: Session, channel: Channel) -> None:
    repository.unset_default(session, channel.id)
    channel.is_default = True
    session.flush()
    session.flush()


def _forget_after_commit(session: Session, channel_id: UUID) -> None:
    tenant_id = db.tenant_of(session)
    db.after_commit(session, lambda: cache.forget(tenant_id, channel_id))
