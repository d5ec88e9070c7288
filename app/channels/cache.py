"""What this process remembers of channels for some seconds, so that the busy paths ask rarely.

Nothing here decides for long: entries live REMEMBERED_SECONDS, a change made by this process
drops its own at once, and a webhook whose signature fails is checked again against fresh rows.
"""

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from cachetools import TTLCache
from sqlalchemy.orm import Session

from app import config, db
from app.channels import repository, secrets
from app.channels.errors import ChannelGone
from app.channels.providers.base import Capabilities, Client, Json
from app.channels.providers.registry import provider_of
from app.models import Channel, ChannelStatus

REMEMBERED_SECONDS = 30.0
MOST_REMEMBERED = 10_000
MOST_CLIENTS = 1_000
FRESH_SECONDS = 1.0
"""A forger who makes every signature fail can cause one look-up a second for a channel."""

ChannelRef = tuple[UUID, UUID]
"""(tenant, channel)."""


@dataclass(frozen=True)
class WebhookChannel:
    """What a webhook needs to know of its channel. `credentials` are open: never log this."""

    id: UUID
    tenant_id: UUID
    provider: str
    status: str
    credentials: Json = field(repr=False)


@dataclass(frozen=True)
class Connection:
    """What a drain needs to know of its channel; shared by this process's threads."""

    client: Client
    capabilities: Capabilities
    messages_per_second: int
    updated_at: datetime


@dataclass
class _Remembered:
    """Guarded by `lock`; values are never changed once they are in."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    webhooks: TTLCache[ChannelRef, tuple[float, WebhookChannel]] = field(
        default_factory=lambda: TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)
    )
    senders: TTLCache[tuple[str | None, ...], tuple[float, list[ChannelRef]]] = field(
        default_factory=lambda: TTLCache(MOST_REMEMBERED, REMEMBERED_SECONDS)
    )
    connections: TTLCache[ChannelRef, Connection] = field(
        default_factory=lambda: TTLCache(MOST_CLIENTS, REMEMBERED_SECONDS)
    )
    # Outlives its confirmation, so that an unchanged channel keeps its open connections.
    clients: TTLCache[ChannelRef, Connection] = field(
        default_factory=lambda: TTLCache(MOST_CLIENTS, 20 * REMEMBERED_SECONDS)
    )


_remembered = _Remembered()


def forget(tenant_id: UUID, channel_id: UUID) -> None:
    """The channel changed."""
    ref = (tenant_id, channel_id)
    with _remembered.lock:
        _remembered.webhooks.pop(ref, None)
        _remembered.connections.pop(ref, None)
        _remembered.clients.pop(ref, None)
        _remembered.senders.clear()


def forget_senders() -> None:
    """A channel came: who claims a number is to be asked again."""
    with _remembered.lock:
        _remembered.senders.clear()


def forget_all() -> None:
    with _remembered.lock:
        _remembered.webhooks.clear()
        _remembered.senders.clear()
        _remembered.connections.clear()
        _remembered.clients.clear()


def resolve_webhook(
    key: str | None, account: str | None, phone_number: str | None, *, fresh: bool = False
) -> list[ChannelRef]:
    """[(tenant, channel)] that a webhook may be for: by the key in its path, else by its sender.

    Several tenants may have entered the same sender; the signature decides. Nothing found is not
    remembered, so made-up senders fill no memory.
    """
    wanted = (key, None, None) if key is not None else (None, account, phone_number)
    with _remembered.lock:
        known = _remembered.senders.get(wanted)
    if known is not None and not (fresh and _is_stale(known[0])):
        return known[1]
    found = _resolve(key, account, phone_number)
    if found:
        with _remembered.lock:
            _remembered.senders[wanted] = (time.monotonic(), found)
    return found


def _resolve(key: str | None, account: str | None, phone_number: str | None) -> list[ChannelRef]:
    with db.anonymous_session() as session:
        if key is not None:
            return repository.resolve_key(session, key)
        if account and phone_number:
            return repository.resolve_sender(session, account, phone_number)
        return []


def webhook_channel(
    tenant_id: UUID, channel_id: UUID, *, fresh: bool = False
) -> WebhookChannel | None:
    """The channel with its credentials; None when it or its tenant is gone or closed.

    Ask again with `fresh=True` when a signature fails: the credentials may have just changed.
    Raises CannotOpen when the master key is missing.
    """
    ref = (tenant_id, channel_id)
    with _remembered.lock:
        known = _remembered.webhooks.get(ref)
    if known is not None and not (fresh and _is_stale(known[0])):
        return known[1]
    with db.tenant_session(tenant_id) as session:
        found = _read_webhook_channel(session, channel_id)
    with _remembered.lock:
        if found is None:
            _remembered.webhooks.pop(ref, None)
        else:
            _remembered.webhooks[ref] = (time.monotonic(), found)
    return found


def _is_stale(since: float) -> bool:
    return time.monotonic() - since >= FRESH_SECONDS


def _read_webhook_channel(session: Session, channel_id: UUID) -> WebhookChannel | None:
    channel = repository.find(session, channel_id)
    if channel is None or not repository.is_open(session):
        return None
    return WebhookChannel(
        id=channel.id,
        tenant_id=channel.tenant_id,
        provider=channel.provider,
        status=channel.status,
        credentials=secrets.unseal(session, channel),
    )


def client_for(tenant_id: UUID, channel_id: UUID) -> Client:
    """The provider's client of a channel. Raises ChannelGone."""
    return connection(tenant_id, channel_id).client


def connection(tenant_id: UUID, channel_id: UUID, updated_at: datetime | None = None) -> Connection:
    """The channel, connected. Opens a transaction of its own unless it is remembered.

    Give `updated_at` if you have read it: what is remembered of the time before is not used.
    Raises ChannelGone.
    """
    ref = (tenant_id, channel_id)
    with _remembered.lock:
        known = _remembered.connections.get(ref)
        older = _remembered.clients.get(ref)
    if known is not None and updated_at in {None, known.updated_at}:
        return known
    with db.tenant_session(tenant_id) as session:
        channel = repository.find(session, channel_id)
        if not _may_send(session, channel):
            raise ChannelGone
        found = _connect(session, channel, older)
    with _remembered.lock:
        _remembered.connections[ref] = found
        _remembered.clients[ref] = found
    return found


def reader_for(tenant_id: UUID, channel_id: UUID) -> Connection:
    """The channel, connected to ask what became of its messages.

    Also of a channel that sends nothing, for it is disabled or its tenant closed. Raises
    ChannelGone when it was deleted or has no credentials.
    """
    with _remembered.lock:
        known = _remembered.connections.get((tenant_id, channel_id))
        older = _remembered.clients.get((tenant_id, channel_id))
    if known is not None:
        return known
    with db.tenant_session(tenant_id) as session:
        return _connect(session, repository.find(session, channel_id), older)


def _connect(session: Session, channel: Channel | None, older: Connection | None) -> Connection:
    if channel is None:
        raise ChannelGone
    if older is not None and older.updated_at == channel.updated_at:
        return older
    credentials = secrets.unseal(session, channel)
    if not credentials:
        raise ChannelGone
    provider = provider_of(channel.provider)
    webhook_url = public_webhook_url(channel.provider, channel.key)
    return Connection(
        client=provider.client(credentials, webhook_url),
        capabilities=provider.capabilities,
        messages_per_second=channel.messages_per_second,
        updated_at=channel.updated_at,
    )


def _may_send(session: Session, channel: Channel | None) -> bool:
    return (
        channel is not None
        and channel.status == ChannelStatus.ACTIVE
        and repository.is_open(session)
    )


def public_webhook_url(provider: str, key: str) -> str:
    return f"{config.current().public_base_url}/webhook/{provider}/{key}"
