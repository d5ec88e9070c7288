from typing import Any
from uuid import UUID

from app.bots import clients, importing, manage, playground, replay, usage, versions
from app.bots import keyword_replies as service
from app.bots.errors import (
    BotExists,
    BotNotFound,
    BotVersionNotFound,
    BudgetReached,
    ClientNotFound,
    KeywordReplyNotFound,
    ModelMisconfigured,
    ModelRefused,
    ModelUnavailable,
    NoModelKey,
    TooManyTries,
    TurnNotFound,
    UnknownChannel,
    UnknownModelName,
)
from app.bots.importing import ImportResult
from app.bots.manage import BotDetails
from app.bots.playground import TryResult
from app.bots.replay import Replayed
from app.bots.schemas import answers
from app.bots.schemas.arguments import BotChange, NewBotArgs, TryArgs
from app.bots.schemas.budget import BudgetUsageAnswer
from app.bots.schemas.clients import ClientAnswer
from app.bots.schemas.imports import ImportAnswer, ImportArgs
from app.bots.schemas.keyword_replies import (
    KeywordReplyArgs,
    KeywordReplyChange,
    KeywordReplyPage,
    KeywordReplySchema,
)
from app.bots.schemas.replay import ReplayAnswer, ReplayArgs
from app.bots.versions import VersionSummary
from app.channels.errors import ChannelDisabled
from app.common.caps import LimitReached
from app.common.idempotency import idempotent
from app.common.pagination import Page, PageRequest
from app.common.permissions import Permission
from app.common.principal import commit_request, principal, requires, session
from app.common.schema import PageArgs
from app.errors import fails_with
from app.extensions import Blueprint
from app.models import KeywordReply

replies = Blueprint("keyword replies", "keyword_replies")
bots = Blueprint("bots", __name__)

Answer = dict[str, Any]


@replies.get("")
@requires(Permission.BOTS_READ)
@replies.arguments(PageArgs, location="query")
@replies.response(200, KeywordReplyPage)
def list_keyword_replies(args: dict[str, Any]) -> Page[KeywordReply]:
    """List keyword replies

    Newest first.
    """
    return service.list_page(session(), PageRequest(**args))


@replies.post("")
@requires(Permission.BOTS_WRITE)
@fails_with(LimitReached)
@idempotent
@replies.arguments(KeywordReplyArgs)
@replies.response(201, KeywordReplySchema)
def create_keyword_reply(body: dict[str, Any]) -> KeywordReply:
    """Create a keyword reply

    A customer's message that begins with one of the keywords, whatever its case, accents and
    punctuation, gets the reply.
    """
    return service.create(session(), principal(), body)


@replies.get("/<uuid:reply_id>")
@requires(Permission.BOTS_READ)
@fails_with(KeywordReplyNotFound)
@replies.response(200, KeywordReplySchema)
def get_keyword_reply(reply_id: UUID) -> KeywordReply:
    """Show a keyword reply"""
    return service.get(session(), reply_id)


@replies.put("/<uuid:reply_id>")
@requires(Permission.BOTS_WRITE)
@fails_with(KeywordReplyNotFound)
@replies.arguments(KeywordReplyChange)
@replies.response(200, KeywordReplySchema)
def change_keyword_reply(body: dict[str, Any], reply_id: UUID) -> KeywordReply:
    """Change a keyword reply

    Fields left out stay as they are.
    """
    return service.change(session(), principal(), reply_id, body)


@replies.delete("/<uuid:reply_id>")
@requires(Permission.BOTS_WRITE)
@fails_with(KeywordReplyNotFound)
@replies.response(204)
def delete_keyword_reply(reply_id: UUID) -> None:
    """Delete a keyword reply"""
    service.remove(session(), principal(), reply_id)


@bots.get("")
@requires(Permission.BOTS_READ)
@bots.arguments(PageArgs, location="query")
@bots.response(200, answers.BotPage)
def list_bots(args: dict[str, Any]) -> Page[BotDetails]:
    """List bots

    Newest first.
    """
    return manage.list_bots(session(), PageRequest(**args))


@bots.post("")
@requires(Permission.BOTS_WRITE)
@fails_with(LimitReached, UnknownChannel, ChannelDisabled, BotExists)
@idempotent
@bots.arguments(NewBotArgs)
@bots.response(201, answers.NewBotAnswer)
def create_bot(body: dict[str, Any]) -> Answer:
    """Create a bot

    It answers what customers write on its channel. `twilio_phone_number` is one of your channels;
    each has one bot at most. The fields of `assistant_config` are defaults for the others, and
    `assistant` shows the bot in the form of OpenAI's former assistants: OpenAI itself has no such
    object.
    """
    bot = manage.create(session(), principal(), body)
    return {**answer_of(bot), "assistant": bot}


@bots.get("/<uuid:bot_id>")
@requires(Permission.BOTS_READ)
@fails_with(BotNotFound)
@bots.response(200, answers.BotAnswer)
def get_bot(bot_id: UUID) -> Answer:
    """Show a bot

    With its active version. Of its keys only the last characters are shown.
    """
    return answer_of(manage.get_bot(session(), bot_id))


@bots.put("/<uuid:bot_id>")
@requires(Permission.BOTS_WRITE)
@fails_with(BotNotFound, UnknownChannel, ChannelDisabled, BotExists)
@bots.arguments(BotChange)
@bots.response(200, answers.BotAnswer)
def change_bot(body: dict[str, Any], bot_id: UUID) -> Answer:
    """Change a bot

    Fields left out stay as they are. If what it says or may do differs, that becomes a new version,
    which is active at once. A new `base_url` needs its key again.
    """
    return answer_of(manage.change(session(), principal(), bot_id, body))


@bots.delete("/<uuid:bot_id>")
@requires(Permission.BOTS_WRITE)
@fails_with(BotNotFound)
@bots.response(204)
def delete_bot(bot_id: UUID) -> None:
    """Delete a bot

    Its versions are deleted, too.
    """
    manage.remove(session(), principal(), bot_id)


@bots.post("/<uuid:bot_id>/refresh")
@requires(Permission.BOTS_WRITE)
@fails_with(BotNotFound)
@bots.response(200, answers.ReloadedBotAnswer)
def refresh_bot(bot_id: UUID) -> Answer:
    """Reload a bot

    Reads the bot from the database again and puts its active version into the cache. Every change
    does this by itself.
    """
    bot = manage.get_bot(session(), bot_id)
    commit_request()
    manage.reload(principal(), bot_id)
    return {**answer_of(bot), "source": "database"}


@bots.post("/<uuid:bot_id>/reply")
@requires(Permission.BOTS_WRITE)
@fails_with(
    BotNotFound,
    NoModelKey,
    UnknownModelName,
    ModelMisconfigured,
    ModelRefused,
    ModelUnavailable,
    TooManyTries,
    BudgetReached,
)
@bots.arguments(TryArgs)
@bots.response(200, answers.TryAnswer)
def try_bot(body: dict[str, Any], bot_id: UUID) -> TryResult:
    """Try a bot

    Asks the model once, with the active version. Nothing is sent, and no action is called: the
    functions that the model wants to call are shown in `tool_calls`. The model's server bills the
    call.
    """
    prepared = playground.prepare(session(), bot_id)
    commit_request()
    return playground.run(prepared, body["message"], body["history"])


@bots.get("/clients/<string:phone>")
@requires(Permission.MESSAGES_READ)
@fails_with(ClientNotFound)
@bots.response(200, ClientAnswer)
def get_bot_client(phone: str) -> Answer:
    """Show what bots remember of a contact

    What each channel's bot would read of this person before the next message: the messages since
    the conversation began anew, and at most its `history_messages`. `phone` is a phone number with
    its country code, or a WhatsApp user id, with or without `whatsapp:`.
    """
    return {"data": clients.describe(session(), phone)}


@bots.delete("/clients/<string:phone>")
@requires(Permission.BOTS_WRITE)
@fails_with(ClientNotFound)
@bots.response(204)
def forget_bot_client(phone: str) -> None:
    """Have bots forget a contact

    From now on they read nothing of what was said before. The messages stay, and your people still
    see them; so do the turns, until they are removed by their age.
    """
    clients.forget(session(), principal(), phone)


@bots.post("/<uuid:bot_id>/import")
@requires(Permission.BOTS_WRITE)
@fails_with(BotNotFound, TooManyTries)
@bots.arguments(ImportArgs)
@bots.response(200, ImportAnswer)
def import_operations(body: dict[str, Any], bot_id: UUID) -> ImportResult:
    """Import an OpenAPI document

    Makes functions with actions of the operations that you name, as a new version; a function of
    the same name is replaced. Without `operations` it lists what the document offers, and changes
    nothing. A parameter that is the customer's phone number is filled in by us.
    """
    commit_request()
    return importing.run(principal(), bot_id, body)


@bots.get("/<uuid:bot_id>/usage")
@requires(Permission.BOTS_READ)
@fails_with(BotNotFound)
@bots.response(200, BudgetUsageAnswer)
def get_bot_usage(bot_id: UUID) -> Answer:
    """Show what a bot has used

    Today and in this month: what it and all your bots together have spent, what answers in progress
    have reserved, and what is left of the limits. Tries count, too.
    """
    return {"data": usage.of_bot(session(), bot_id)}


@bots.post("/<uuid:bot_id>/replay")
@requires(Permission.BOTS_WRITE)
@fails_with(
    BotNotFound,
    BotVersionNotFound,
    TurnNotFound,
    NoModelKey,
    UnknownModelName,
    TooManyTries,
)
@bots.arguments(ReplayArgs)
@bots.response(200, ReplayAnswer)
def replay_turns(body: dict[str, Any], bot_id: UUID) -> Replayed:
    """Replay turns with another version

    Asks the model again what it was asked in each turn, with the instructions, the model and the
    functions of this version, and names the differences. Nothing is sent, and no action is called:
    calls get the results that were recorded. The model's server bills the calls.
    """
    prepared = replay.prepare(
        session(), bot_id, body["version"], body.get("turns"), body.get("last", 0)
    )
    commit_request()
    return replay.run(prepared)


@bots.get("/<uuid:bot_id>/versions")
@requires(Permission.BOTS_READ)
@fails_with(BotNotFound)
@bots.arguments(PageArgs, location="query")
@bots.response(200, answers.VersionPage)
def list_bot_versions(args: dict[str, Any], bot_id: UUID) -> Page[VersionSummary]:
    """List the versions of a bot

    Newest first, without what they hold.
    """
    return versions.list_versions(session(), bot_id, PageRequest(**args))


@bots.get("/<uuid:bot_id>/versions/<int:number>")
@requires(Permission.BOTS_READ)
@fails_with(BotNotFound, BotVersionNotFound)
@bots.response(200, answers.VersionAnswer)
def get_bot_version(bot_id: UUID, number: int) -> Answer:
    """Show a version of a bot"""
    return {"data": versions.get_version(session(), bot_id, number)}


@bots.post("/<uuid:bot_id>/versions/<int:number>/activate")
@requires(Permission.BOTS_WRITE)
@fails_with(BotNotFound, BotVersionNotFound)
@bots.response(200, answers.BotAnswer)
def activate_bot_version(bot_id: UUID, number: int) -> Answer:
    """Activate a version of a bot

    Goes back to an earlier version, or forward again. The number of the newest version stays.
    """
    return answer_of(versions.activate(session(), principal(), bot_id, number))


def answer_of(bot: BotDetails) -> Answer:
    return {"data": bot, "warnings": bot.warnings}
