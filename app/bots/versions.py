"""The versions of a bot: listing, showing and activating them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.bots import bots_repository as repository
from app.bots import manage
from app.bots.definition import Definition, from_json
from app.bots.errors import BotVersionNotFound
from app.bots.manage import BotDetails
from app.common import audit
from app.common.pagination import Page, PageRequest
from app.common.principal import Principal
from app.models import Bot, BotVersion


@dataclass(frozen=True)
class VersionSummary:
    number: int
    is_active: bool
    created_by: str
    created_at: datetime


@dataclass(frozen=True)
class VersionDetails(VersionSummary):
    definition: Definition


def list_versions(session: Session, bot_id: UUID, page: PageRequest) -> Page[VersionSummary]:
    """Return the versions without their definitions, newest first. Raises BotNotFound."""
    bot = manage.find_bot(session, bot_id)
    found = repository.versions_page(session, bot_id, page)
    return Page([_summary(bot, version) for version in found.items], found.next_cursor)


def get_version(session: Session, bot_id: UUID, number: int) -> VersionDetails:
    """Raises BotNotFound, BotVersionNotFound."""
    bot = manage.find_bot(session, bot_id)
    return _describe(bot, find(session, bot, number))


def activate(session: Session, actor: Principal, bot_id: UUID, number: int) -> BotDetails:
    """Make an earlier or later version the active one; no version is made or changed.

    Raises BotNotFound, BotVersionNotFound, InvalidInput if its model is not known any more.
    """
    repository.lock_tenant(session)
    bot = manage.find_bot(session, bot_id)
    definition = from_json(find(session, bot, number).definition)
    manage.check(bot, definition)
    changes = {"from": bot.version, "to": number}
    bot.version = number
    session.flush()
    session.refresh(bot)
    audit.record(session, actor, "bot.version_activated", ("bot", bot.id), changes)
    manage.forget_after_commit(session, bot.id)
    return manage.describe(session, bot)


def find(session: Session, bot: Bot, number: int) -> BotVersion:
    """Raises BotVersionNotFound."""
    # A larger number would not fit into the column.
    if number > bot.latest_version:
        raise BotVersionNotFound
    found = repository.version(session, bot.id, number)
    if found is None:
        raise BotVersionNotFound
    return found


def _summary(bot: Bot, version: BotVersion) -> VersionSummary:
    is_active = version.number == bot.version
    return VersionSummary(version.number, is_active, version.created_by, version.created_at)


def _describe(bot: Bot, version: BotVersion) -> VersionDetails:
    summary = _summary(bot, version)
    return VersionDetails(**vars(summary), definition=from_json(version.definition))
