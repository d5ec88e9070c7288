"""Adding, changing, showing and removing bots."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import db
from app.ai.types import is_openai_host
from app.bots import bots_repository as repository
from app.bots import cache, checks, limits, model_choice, servers
from app.bots.definition import Definition, Json, from_json, to_json
from app.bots.errors import BotExists, BotNotFound, UnknownChannel
from app.bots.servers import Server, ServerDetails
from app.channels import service as channels
from app.channels.service import ChannelSummary
from app.common import audit, caps
from app.common.ids import new_id
from app.common.pagination import Page, PageRequest
from app.common.principal import Principal
from app.errors import InvalidInput
from app.knowledge import service as knowledge
from app.models import Bot, BotVersion

MOST_BOTS = 50
MOST_VERSIONS = 200
BY_WORDS = "The documents are searched by words only:"
NO_EXTENSION = f"{BY_WORDS} the database of this installation has no pgvector."
NO_EMBEDDINGS = (
    f"{BY_WORDS} embeddings are made by OpenAI only, not by the server at model.base_url."
)
NO_PRICE = "The limits in dollars have no effect: the price of your server is not known."
SYSTEM = "system"
"""Who made a version that no person made."""


@dataclass(frozen=True)
class BotDetails:
    """What its business may see of a bot; of its keys only the last characters.

    `model_name` is the model that answers today, None if there is none of the given name any more.
    """

    id: UUID
    name: str
    channel: ChannelSummary
    is_enabled: bool
    searches_by_meaning: bool
    version: int
    latest_version: int
    definition: Definition
    metadata: Json
    budget: Json
    model: ServerDetails
    actions: ServerDetails
    model_name: str | None
    warnings: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


def list_bots(session: Session, page: PageRequest) -> Page[BotDetails]:
    found = repository.list_page(session, page)
    return Page(_describe_all(session, found.items), found.next_cursor)


def find_bot(session: Session, bot_id: UUID) -> Bot:
    """Raises BotNotFound."""
    found = repository.find(session, bot_id)
    if found is None:
        raise BotNotFound
    return found


def get_bot(session: Session, bot_id: UUID) -> BotDetails:
    """Raises BotNotFound."""
    return describe(session, find_bot(session, bot_id))


def reload(actor: Principal, bot_id: UUID) -> None:
    """Put the active definition into the cache, with no transaction open."""
    cache.reload(actor.tenant_id, bot_id)


def create(session: Session, actor: Principal | None, data: Json) -> BotDetails:
    """Create a bot with its first version from `data` as NewBotArgs loads it; an actor of None is
    the system.

    Raises LimitReached, UnknownChannel, ChannelDisabled, BotExists, InvalidInput.
    """
    repository.lock_tenant(session)
    caps.refuse_more(session, Bot, MOST_BOTS, "bots")
    bot = Bot(
        id=new_id(),
        name=data["name"],
        channel_id=_free_channel(session, data["phone_number"]),
        is_enabled=data.get("is_enabled", True),
        searches_by_meaning=data.get("searches_by_meaning", False),
        version=1,
        latest_version=1,
        details=data.get("metadata", {}),
        budget=limits.change({}, data.get("budget", {})),
    )
    _change_servers(session, bot, data)
    definition = Definition(**{"openai_model": _default_model(bot, data), **data["definition"]})
    check(bot, definition)
    session.add(bot)
    session.flush()
    session.add(_version(bot, actor, definition))
    session.flush()
    session.refresh(bot)
    _record(session, actor, "bot.created", bot, data)
    return describe(session, bot)


def change(session: Session, actor: Principal | None, bot_id: UUID, data: Json) -> BotDetails:
    """Change a bot by `data` as BotChange loads it; fields left out stay. A definition that
    differs becomes a new version, which is active.

    Raises BotNotFound, UnknownChannel, ChannelDisabled, BotExists, InvalidInput.
    """
    repository.lock_tenant(session)
    bot = find_bot(session, bot_id)
    bot.name = data.get("name", bot.name)
    bot.is_enabled = data.get("is_enabled", bot.is_enabled)
    bot.details = data.get("metadata", bot.details)
    _change_search(bot, data)
    bot.budget = limits.change(bot.budget, data.get("budget", {}))
    if "phone_number" in data:
        bot.channel_id = _free_channel(session, data["phone_number"], bot.id)
    _change_servers(session, bot, data)
    former = _active_definition(session, bot)
    definition = replace(former, **data["definition"])
    if definition != former or Server.MODEL in data["servers"]:
        check(bot, definition)
    if definition != former:
        bot.version = bot.latest_version = bot.latest_version + 1
        session.add(_version(bot, actor, definition))
        session.flush()
        repository.forget_old_versions(session, bot, MOST_VERSIONS)
    session.flush()
    session.refresh(bot)
    _record(session, actor, "bot.updated", bot, data)
    return describe(session, bot)


def remove(session: Session, actor: Principal, bot_id: UUID) -> None:
    """Delete a bot with all its versions. Raises BotNotFound."""
    repository.lock_tenant(session)
    bot = find_bot(session, bot_id)
    session.delete(bot)
    audit.record(session, actor, "bot.deleted", ("bot", bot_id), {"name": bot.name})
    forget_after_commit(session, bot_id)


def _change_search(bot: Bot, data: Json) -> None:
    """Take over whether the bot searches by meaning. What a failure waits for may have changed with
    a server or a budget, so that embeddings are tried again at once."""
    is_wanted = data.get("searches_by_meaning", bot.searches_by_meaning)
    if is_wanted and not bot.searches_by_meaning:
        bot.embedded_by = None
    bot.searches_by_meaning = is_wanted
    if "searches_by_meaning" in data or "budget" in data or Server.MODEL in data["servers"]:
        bot.embed_at, bot.embed_tries = None, 0


def _active_definition(session: Session, bot: Bot) -> Definition:
    found = repository.version(session, bot.id, bot.version)
    if found is None:
        raise AssertionError("the active version of a bot is never deleted")
    return from_json(found.definition)


def check(bot: Bot, definition: Definition) -> None:
    """Raises InvalidInput."""
    checks.check_definition(definition)
    try:
        model_choice.choose(definition, bot.model_base_url)
    except model_choice.UnknownModel as error:
        raise InvalidInput({"openai_model": [str(error)]}) from error


def describe(session: Session, bot: Bot) -> BotDetails:
    """Raises BotNotFound if it was deleted meanwhile."""
    for found in _describe_all(session, [bot]):
        return found
    raise BotNotFound


def forget_after_commit(session: Session, bot_id: UUID) -> None:
    tenant_id = db.tenant_of(session)
    db.after_commit(session, lambda: cache.forget(tenant_id, bot_id))


def _describe_all(session: Session, bots: Sequence[Bot]) -> list[BotDetails]:
    """Return what may be seen of these bots, without those that were deleted meanwhile."""
    definitions = repository.definitions(session, bots)
    of_bots = channels.summaries(session, [bot.channel_id for bot in bots])
    lacks_extension = any(bot.searches_by_meaning for bot in bots) and not (
        knowledge.has_extension(session)
    )
    return [
        _describe(bot, from_json(definitions[bot.id]), of_bots[bot.channel_id], lacks_extension)
        for bot in bots
        if bot.id in definitions and bot.channel_id in of_bots
    ]


def _describe(
    bot: Bot, definition: Definition, channel: ChannelSummary, lacks_extension: bool
) -> BotDetails:
    name, warnings = _model_of(bot, definition)
    return BotDetails(
        id=bot.id,
        name=bot.name,
        channel=channel,
        is_enabled=bot.is_enabled,
        searches_by_meaning=bot.searches_by_meaning,
        version=bot.version,
        latest_version=bot.latest_version,
        definition=definition,
        metadata=bot.details,
        budget=bot.budget,
        model=servers.describe(bot, Server.MODEL),
        actions=servers.describe(bot, Server.ACTIONS),
        model_name=name,
        warnings=(*warnings, *_search_warnings(bot, lacks_extension)),
        created_at=bot.created_at,
        updated_at=bot.updated_at,
    )


def _model_of(bot: Bot, definition: Definition) -> tuple[str | None, tuple[str, ...]]:
    """Return the model that answers, and what the bot's owner should know."""
    others = list[str]()
    if bot.actions_base_url is None and definition.actions:
        others.append("The actions have no address yet: set actions.base_url.")
    if bot.model_base_url is not None and limits.in_dollars(bot.budget):
        others.append(NO_PRICE)
    try:
        choice = model_choice.choose(definition, bot.model_base_url)
    except model_choice.UnknownModel as error:
        return None, (str(error), *others)
    return choice.name, (*choice.warnings, *others)


def _search_warnings(bot: Bot, lacks_extension: bool) -> list[str]:
    if not bot.searches_by_meaning:
        return []
    has_other_server = bot.model_base_url is not None and not is_openai_host(bot.model_base_url)
    return [NO_EXTENSION] * lacks_extension + [NO_EMBEDDINGS] * has_other_server


def _free_channel(session: Session, phone_number: str, bot_id: UUID | None = None) -> UUID:
    """Return the channel with this number, unless another bot has it."""
    channel = channels.find_active(session, phone_number)
    if channel is None:
        raise UnknownChannel
    if repository.find_by_channel(session, channel.id) not in {None, bot_id}:
        raise BotExists
    return channel.id


def _change_servers(session: Session, bot: Bot, data: Json) -> None:
    with session.no_autoflush:
        for name, given in data["servers"].items():
            servers.change(session, bot, Server(name), given)


def _default_model(bot: Bot, data: Json) -> str:
    if bot.model_base_url is not None and "openai_model" not in data["definition"]:
        raise InvalidInput({"openai_model": ["Name a model of the server at model.base_url."]})
    return model_choice.default_model()


def _version(bot: Bot, actor: Principal | None, definition: Definition) -> BotVersion:
    return BotVersion(
        bot_id=bot.id,
        number=bot.version,
        definition=to_json(definition),
        created_by=actor.name if actor is not None else SYSTEM,
    )


def _record(session: Session, actor: Principal | None, action: str, bot: Bot, data: Json) -> None:
    changes: dict[str, Any] = {"fields": _changed(data), "version": bot.version}
    audit.record(session, actor, action, ("bot", bot.id), changes)
    forget_after_commit(session, bot.id)


def _changed(data: Json) -> list[str]:
    """Return the names of the given fields, without their values: some are secret."""
    of_servers = [f"{server}.{name}" for server, given in data["servers"].items() for name in given]
    own = data.keys() - {"servers", "definition"}
    return sorted([*own, *data["definition"], *of_servers])
