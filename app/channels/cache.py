"""Caches of channels in this process, valid for some seconds, so that the busy paths rarely query
them.

Entries live REMEMBERED_SECONDS, a change made by this process drops its own at once, and a webhook
whose signature fails is checked again with fresh rows.
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
"""The least time between fresh reads of a channel: webhooks with wrong signatures cause one query a
second at most."""

ChannelRef = tuple[UUID, UUID]
"""(tenant, channel)."""


@dataclass(frozen=True)
class WebhookChannel:
    """The facts of a channel that a webhook needs. `credentials` are decrypted: never log this."""

    id: UUID
    tenant_id: UUID
    provider: str
    status: str
    credentials: Json = field(repr=False)


@dataclass(frozen=True)
class Connection:
    """The facts of a channel that a drain needs; shared by this process's threads."""

    client: Client
    capabilities: Capabilities
    messages_per_second: int
    updated_at: datetime


@dataclass
class _Remembered:
    """A cache guarded by `lock`; stored values are never changed."""

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
    # Kept longer than its confirmation, so that an unchanged channel keeps its open connections.
    clients: TTLCache[ChannelRef, Connection] = field(
        default_factory=lambda: TTLCache(MOST_CLIENTS, 20 * REMEMBERED_SECONDS)
    )


_remembered = _Remembered()


def forget(tenant_id: UUID, channel_id: UUID) -> None:
    """Drop the caches of a channel that has changed."""
    ref = (tenant_id, channel_id)
    with _remembered.lock:
        _remembered.webhooks.pop(ref, None)
        _remembered.connections.pop(ref, None)
        _remembered.clients.pop(ref, None)
        _remembered.senders.clear()


def forget_senders() -> None:
    """Drop the caches of senders, because a channel was added that may claim one."""
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
    """Return [(tenant, channel)] that a webhook may be for: by the key in its path, or by its
    sender.

    Several tenants may have entered the same sender; the signature decides. An empty result is not
    cached, so invented senders fill no memory.
    """
    wanted = _wanted(key, account, phone_number)
    with _remembered.lock:
        known = _remembered.senders.get(wanted)
    if known is not None and not (fresh and _is_stale(known[0])):
        return known[1]
    found = _resolve(key, account, phone_number)
    if found:
        with _remembered.lock:
            _remembered.senders[wanted] = (time.monotonic(), found)
    return found


def remembered_webhook(
    key: str | None, account: str | None, phone_number: str | None
) -> list[ChannelRef]:
    """Return the same from this process's memory alone; it may be up to 30 seconds old."""
    with _remembered.lock:
        known = _remembered.senders.get(_wanted(key, account, phone_number))
    return known[1] if known else []


def _wanted(
    key: str | None, account: str | None, phone_number: str | None
) -> tuple[str | None, ...]:
    return (key, None, None) if key is not None else (None, account, phone_number)


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
    """Return the channel with its credentials; None when it or its tenant is deleted or closed.

    Call again with `fresh=True` when a signature fails: the credentials may have just changed.
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
    """Return the provider's client of a channel. Raises ChannelGone."""
    return connection(tenant_id, channel_id).client


def connection(tenant_id: UUID, channel_id: UUID, updated_at: datetime | None = None) -> Connection:
    """Return the channel's connection. Opens a transaction of its own unless it is cached.

    Pass `updated_at` if you have read it: an older cache entry is not used. Raises ChannelGone.
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
    """Return a connection for asking the provider about the channel's messages.

    Works also for a channel that sends nothing because it is disabled or its tenant is closed.
    Raises ChannelGone when it was deleted or has no credentials.
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
