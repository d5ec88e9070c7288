"""Queries about channels."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, exists, select, text, update
from sqlalchemy.orm import Session

from app.common.pagination import Page, PageRequest, fetch_page
from app.models import (
    Bot,
    Channel,
    ChannelStatus,
    Conversation,
    InboxItem,
    Message,
    Status,
    Tenant,
    TenantStatus,
)

RESOLVE_KEY = text("select tenant_id, channel_id from recado.resolve_channel_key(:given)")
RESOLVE_SENDER = text(
    "select tenant_id, channel_id from recado.resolve_sender(:account, :phone_number)"
)

ON_THEIR_WAY = (Status.QUEUED, Status.SENDING, Status.UNCERTAIN)


def resolve_key(session: Session, key: str) -> list[tuple[UUID, UUID]]:
    """Return [(tenant, channel)] of the key in a webhook's path, in any tenant."""
    return _pairs(session.execute(RESOLVE_KEY, {"given": key}).all())


def resolve_sender(session: Session, account: str, phone_number: str) -> list[tuple[UUID, UUID]]:
    """Return [(tenant, channel)] that claim this sender, in all tenants."""
    given = {"account": account, "phone_number": phone_number}
    return _pairs(session.execute(RESOLVE_SENDER, given).all())


def _pairs(rows: Sequence[Row[Any]]) -> list[tuple[UUID, UUID]]:
    return [(row.tenant_id, row.channel_id) for row in rows]


def lock_tenant(session: Session) -> None:
    """Allow one change of channels at a time in a tenant; also waits for a rotation of its data
    key."""
    session.execute(select(Tenant.tenant_id).with_for_update(key_share=True))


def find(session: Session, channel_id: UUID, *, lock: bool = False) -> Channel | None:
    query = select(Channel).where(Channel.id == channel_id)
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def find_default(session: Session) -> Channel | None:
    return session.scalars(select(Channel).where(Channel.is_default)).one_or_none()


def oldest_active(session: Session, besides: UUID) -> Channel | None:
    query = (
        select(Channel)
        .where(Channel.status == ChannelStatus.ACTIVE, Channel.id != besides)
        .order_by(Channel.id)
        .limit(1)
    )
    return session.scalars(query).one_or_none()


def find_twin(session: Session, channel: Channel) -> UUID | None:
    """Return another channel of the tenant for the same sender."""
    query = select(Channel.id).where(
        Channel.provider == channel.provider,
        Channel.account == channel.account,
        Channel.phone_number == channel.phone_number,
        Channel.id != channel.id,
    )
    return session.scalars(query).one_or_none()


def find_by_number(session: Session, phone_number: str) -> Channel | None:
    """If several channels have this number, prefer the active one."""
    query = (
        select(Channel)
        .where(Channel.phone_number == phone_number)
        .order_by((Channel.status == ChannelStatus.ACTIVE).desc(), Channel.created_at)
        .limit(1)
    )
    return session.scalars(query).one_or_none()


def find_many(session: Session, channel_ids: Sequence[UUID]) -> Sequence[Channel]:
    return session.scalars(select(Channel).where(Channel.id.in_(channel_ids))).all()


def list_page(session: Session, page: PageRequest) -> Page[Channel]:
    return fetch_page(session, select(Channel), [Channel.id], page)


PAUSE = text("""
    update recado.channels set
        paused_until = now() + make_interval(secs => least(:longest, greatest(:asked,
            :first * power(2, least(coalesce((trouble->>'count')::int, 0), 20))) * :spread)),
        trouble = cast(:error as jsonb) || jsonb_build_object(
            'count', coalesce((trouble->>'count')::int, 0) + 1,
            'since', coalesce(trouble->'since', to_jsonb(now())))
    where id = :channel_id and (paused_until is null or paused_until <= now())
    returning (trouble->>'count')::int as times, extract(epoch from paused_until - now()) as seconds
""")
RESUME = text("""
    update recado.channels set paused_until = null, trouble = null
    where id = :channel_id and trouble is not null
    returning id
""")


def pause(session: Session, channel_id: UUID, given: dict[str, Any]) -> Row[Any] | None:
    """Pause a channel that is not paused: longer each time, and at least as long as requested.

    Returns how often in a row it was paused and for how many seconds, or None when it was paused
    already. Its settings, and so `updated_at`, do not change.
    """
    return session.execute(PAUSE, {"channel_id": channel_id, **given}).one_or_none()


def resume(session: Session, channel_id: UUID) -> bool:
    """End the pauses of a channel; return whether it had been in trouble."""
    return session.execute(RESUME, {"channel_id": channel_id}).one_or_none() is not None


def unset_default(session: Session, besides: UUID) -> None:
    statement = update(Channel).where(Channel.is_default, Channel.id != besides)
    session.execute(statement.values(is_default=False))


def has_messages_on_their_way(session: Session, channel_id: UUID) -> bool:
    query = select(
        exists().where(Message.channel_id == channel_id, Message.status.in_(ON_THEIR_WAY))
    )
    return bool(session.scalar(query))


def has_history(session: Session, channel_id: UUID) -> bool:
    of_channel = exists().where(Conversation.channel_id == channel_id)
    heard = exists().where(InboxItem.channel_id == channel_id)
    return bool(session.scalar(select(of_channel | heard)))


def has_bot(session: Session, channel_id: UUID) -> bool:
    return bool(session.scalar(select(exists().where(Bot.channel_id == channel_id))))


def is_open(session: Session) -> bool:
    """Return whether the tenant of this transaction is active."""
    return session.scalar(select(Tenant.status)) == TenantStatus.ACTIVE
