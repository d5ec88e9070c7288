"""What a turn needs from the database before its bot thinks."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.orm import Session

from app.ai.types import Endpoint
from app.bots import bots_repository as bots
from app.bots import memory, playground, servers
from app.bots import turns_repository as turns
from app.bots.accounts import account_of
from app.bots.actions import ActionServer, Contact
from app.bots.budget import Account
from app.bots.definition import Definition, Json
from app.bots.errors import NoModelKey
from app.bots.hours import closed_since
from app.bots.memory import Memory
from app.bots.servers import Server
from app.bots.turns import Work
from app.bots.turns_repository import Lately
from app.common import clock
from app.models import Bot

DISCLOSED_FOR = timedelta(days=30)
FALLBACK_EVERY = timedelta(minutes=10)


class Unwanted(Exception):
    """The bot must say nothing; the text says why, in one word."""


@dataclass(frozen=True)
class Facts:
    """`endpoint` and `server` hold keys; without a key there is no `endpoint`. `now` is when the
    turn began. `name` (empty: unknown) and `attributes` are the customer's."""

    endpoint: Endpoint | None
    model_base_url: str | None
    server: ActionServer
    contact: Contact
    name: str
    attributes: Json
    account: Account
    language: str
    timezone: str
    is_closed: bool
    said_closed: bool
    has_disclosed: bool
    fell_back_lately: bool
    now: datetime
    searches_by_meaning: bool = False
    memory: Memory = field(default_factory=Memory)


def read(session: Session, work: Work, definition: Definition) -> Facts:
    """Raises Unwanted."""
    bot = bots.find(session, work.bot_id)
    if bot is None:
        raise Unwanted("bot_deleted")
    if not bot.is_enabled:
        raise Unwanted("bot_disabled")
    if bot.channel_id != work.channel_id:
        raise Unwanted("bot_moved")
    known = read_at(session, bot, work, definition)
    if not definition.keeps_summary:
        return known
    most = definition.history_messages
    first_read = UUID(work.message_ids[-1 - most :][0])
    remembered = memory.recall(session, work.conversation_id, first_read, most)
    return replace(known, memory=remembered)


def read_at(
    session: Session, bot: Bot, work: Work, definition: Definition, at: datetime | None = None
) -> Facts:
    """Return what holds now, or held at an earlier time, without the memory."""
    now, hours = at or clock.now(), definition.business_hours
    closed = closed_since(hours, now) if hours is not None else None
    lately = Lately(DISCLOSED_FOR, FALLBACK_EVERY, closed, at)
    about = turns.about(session, work.conversation_id, lately)
    return Facts(
        endpoint=_endpoint(session, bot),
        model_base_url=bot.model_base_url,
        server=ActionServer(bot.actions_base_url, servers.key(session, bot, Server.ACTIONS)),
        contact=Contact(work.contact_id, about.address),
        name=about.name,
        attributes=about.attributes,
        account=account_of(bot, work.contact_id, about.timezone, about.bot_budget),
        language=about.language,
        timezone=about.timezone,
        is_closed=closed is not None,
        said_closed=about.said_closed,
        has_disclosed=about.has_answered,
        fell_back_lately=about.fell_back,
        now=now,
        searches_by_meaning=bot.searches_by_meaning,
    )


def _endpoint(session: Session, bot: Bot) -> Endpoint | None:
    try:
        return playground.endpoint_for(session, bot)
    except NoModelKey:
        return None
