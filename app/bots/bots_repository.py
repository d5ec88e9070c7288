"""Queries about bots and their versions."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select, tuple_
from sqlalchemy.orm import Session, defer

from app.common.pagination import Page, PageRequest, fetch_page
from app.models import Bot, BotVersion, Tenant


def lock_tenant(session: Session) -> None:
    """Allow one change of bots or channels at a time in a tenant; also waits for a rotation of its
    data key."""
    session.execute(select(Tenant.tenant_id).with_for_update(key_share=True))


def find(session: Session, bot_id: UUID) -> Bot | None:
    return session.scalars(select(Bot).where(Bot.id == bot_id)).one_or_none()


def find_by_channel(session: Session, channel_id: UUID) -> UUID | None:
    return session.scalar(select(Bot.id).where(Bot.channel_id == channel_id))


def on_channels(session: Session, channel_ids: Sequence[UUID]) -> dict[UUID, Bot]:
    """Return channel → its bot, for those that have one."""
    query = select(Bot).where(Bot.channel_id.in_(channel_ids))
    return {bot.channel_id: bot for bot in session.scalars(query)}


def list_page(session: Session, page: PageRequest) -> Page[Bot]:
    return fetch_page(session, select(Bot), [Bot.id], page)


def version(session: Session, bot_id: UUID, number: int) -> BotVersion | None:
    query = select(BotVersion).where(BotVersion.bot_id == bot_id, BotVersion.number == number)
    return session.scalars(query).one_or_none()


def active_definition(session: Session, bot_id: UUID) -> Row[int, dict[str, Any]] | None:
    """Return the number and the definition of the active version."""
    query = (
        select(Bot.version, BotVersion.definition)
        .join(BotVersion, (BotVersion.bot_id == Bot.id) & (BotVersion.number == Bot.version))
        .where(Bot.id == bot_id)
    )
    return session.execute(query).one_or_none()


def definitions(session: Session, bots: Sequence[Bot]) -> dict[UUID, dict[str, Any]]:
    """Return bot → the definition of the version that it names, without those that are gone."""
    named = [(bot.id, bot.version) for bot in bots]
    query = select(BotVersion.bot_id, BotVersion.definition).where(
        tuple_(BotVersion.bot_id, BotVersion.number).in_(named)
    )
    return {row.bot_id: row.definition for row in session.execute(query)}


def versions_page(session: Session, bot_id: UUID, page: PageRequest) -> Page[BotVersion]:
    """Return versions without their definitions, which may be large."""
    without = defer(BotVersion.definition, raiseload=True)
    query = select(BotVersion).where(BotVersion.bot_id == bot_id).options(without)
    return fetch_page(session, query, [BotVersion.number], page)


def forget_old_versions(session: Session, bot: Bot, most: int) -> None:
    """Delete the oldest versions beyond `most`, but not the active one."""
    old = (
        select(BotVersion.number)
        .where(BotVersion.bot_id == bot.id, BotVersion.number != bot.version)
        .order_by(BotVersion.number.desc())
        .offset(most - 1)
    )
    session.execute(
        delete(BotVersion).where(BotVersion.bot_id == bot.id, BotVersion.number.in_(old))
    )
