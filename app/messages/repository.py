from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.common.pagination import Page, PageRequest, fetch_page
from app.models import Attempt, Direction, Event, Message, Tenant


@dataclass(frozen=True)
class MessageFilter:
    """What `GET /api/messages` may ask for; None asks for nothing."""

    conversation_id: UUID | None = None
    direction: str | None = None
    status: str | None = None
    phone: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None


def get(session: Session, tenant_id: UUID, message_id: UUID) -> Message | None:
    return session.get(Message, (tenant_id, message_id))


def lock(session: Session, tenant_id: UUID, message_id: UUID) -> Message | None:
    """The row as it is now, held until the transaction ends."""
    return session.get(
        Message, (tenant_id, message_id), with_for_update=True, populate_existing=True
    )


def lock_by_provider_id(
    session: Session, channel_id: UUID, provider_message_id: str
) -> Message | None:
    return session.scalars(
        select(Message)
        .where(
            Message.channel_id == channel_id,
            Message.provider_message_id == provider_message_id,
        )
        .with_for_update()
    ).one_or_none()


def by_attempt(session: Session, channel_id: UUID, provider_message_id: str) -> UUID | None:
    """The message one of whose attempts got this id: a second delivery that we learned of."""
    return session.scalars(
        select(Attempt.message_id)
        .join(
            Message,
            (Message.tenant_id == Attempt.tenant_id) & (Message.id == Attempt.message_id),
        )
        .where(
            Attempt.provider_message_id == provider_message_id,
            Message.channel_id == channel_id,
        )
    ).first()


def list_page(session: Session, wanted: MessageFilter, page: PageRequest) -> Page[Message]:
    """Newest first."""
    return fetch_page(session, _filtered(wanted), (Message.id,), page)


def history_page(session: Session, conversation_id: UUID, page: PageRequest) -> Page[Message]:
    """Oldest first."""
    query = select(Message).where(Message.conversation_id == conversation_id)
    return fetch_page(session, query, (Message.id,), page, descending=False)


def _filtered(wanted: MessageFilter) -> Select[Message]:
    query = select(Message)
    exact: dict[Any, Any] = {
        Message.conversation_id: wanted.conversation_id,
        Message.direction: wanted.direction,
        Message.status: wanted.status,
    }
    for column, value in exact.items():
        if value is not None:
            query = query.where(column == value)
    if wanted.phone is not None:
        query = query.where(
            (Message.from_number == wanted.phone) | (Message.to_number == wanted.phone)
        )
    if wanted.since is not None:
        query = query.where(Message.created_at >= wanted.since)
    if wanted.until is not None:
        query = query.where(Message.created_at < wanted.until)
    if wanted.q is not None:
        query = query.where(Message.body.icontains(wanted.q, autoescape=True))
    return query


def events_of(session: Session, message_id: UUID) -> Sequence[Event]:
    query = select(Event).where(Event.message_id == message_id).order_by(Event.id)
    return session.scalars(query).all()


def attempts_of(session: Session, message_id: UUID) -> Sequence[Attempt]:
    query = select(Attempt).where(Attempt.message_id == message_id).order_by(Attempt.number)
    return session.scalars(query).all()


def count_outgoing_since(session: Session, floor: UUID) -> int:
    """Outgoing messages whose id, which ascends in time, is `floor` or later."""
    query = (
        select(func.count())
        .select_from(Message)
        .where(Message.id >= floor, Message.direction == Direction.OUTGOING)
    )
    return session.scalar(query) or 0


def attempt(session: Session, message_id: UUID, number: int) -> Attempt | None:
    query = select(Attempt).where(Attempt.message_id == message_id, Attempt.number == number)
    return session.scalars(query).one_or_none()


def bound_ids(session: Session, channel_id: UUID, provider_ids: Sequence[str]) -> set[str]:
    """Which of these ids belong to a message or to an attempt of ours already."""
    on_messages = select(Message.provider_message_id).where(
        Message.channel_id == channel_id, Message.provider_message_id.in_(provider_ids)
    )
    on_attempts = select(Attempt.provider_message_id).where(
        Attempt.provider_message_id.in_(provider_ids)
    )
    return {found for found in session.scalars(on_messages.union(on_attempts)) if found}


def daily_quota(session: Session) -> tuple[int | None, str]:
    """The tenant's limit of messages a day, if it has one, and its time zone."""
    row = session.execute(select(Tenant.daily_message_quota, Tenant.timezone)).one()
    return row.daily_message_quota, row.timezone


def lock_tenant(session: Session) -> None:
    """One sender at a time, where they must be counted."""
    session.execute(select(Tenant.tenant_id).with_for_update(key_share=True))
