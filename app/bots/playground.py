"""Trying a bot: one question to its model. Nothing is sent, and no action is called."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import config, db
from app.ai import catalogue, client
from app.ai.errors import AiError, BadQuestion, Misconfigured, TooLong, Transient
from app.ai.types import Endpoint, Outcome, Question, Reply, Role, Said, ToolCall, is_openai_host
from app.bots import cache, checks, manage, model_choice, servers
from app.bots.definition import Action, Definition, Json
from app.bots.errors import (
    BotNotFound,
    ModelMisconfigured,
    ModelRefused,
    ModelUnavailable,
    NoModelKey,
    TooManyTries,
    UnknownModelName,
)
from app.bots.model_choice import Choice, UnknownModel
from app.bots.servers import Server
from app.common.egress import Call
from app.common.slots import places
from app.errors import AppError
from app.models import Bot

log = structlog.get_logger(__name__)

DEEPEST_ARGUMENTS = 32
LONGEST_WAIT = 120
"""Seconds that a client is asked to wait at most."""

REMEDIES = {
    "invalid_api_key": "The key is not valid: set model.api_key.",
    "http_401": "The key is not valid: set model.api_key.",
    "http_403": "The key may not use this model: set model.api_key or openai_model.",
    "insufficient_quota": "The account of the key has no credit left.",
    "model_not_found": "The server has no such model: set openai_model.",
    "http_404": "The server has no such model, or is no model's server: check model.base_url.",
    "address_refused": "The address is not public: set model.base_url.",
    "redirected": "The address leads to another one: set model.base_url to that.",
    "context_length_exceeded": "Shorten the instructions or the history.",
}
"""The server's code → what to do. Other codes are not shown: a server may write anything there."""

INSTALLATION = "The key of the installation is used: tell its operator, or set model.api_key."


@dataclass(frozen=True)
class Try:
    """What a try needs after its transaction. `endpoint` holds the key."""

    tenant_id: UUID
    bot_id: UUID
    endpoint: Endpoint
    base_url: str | None
    uses_installation_key: bool


@dataclass(frozen=True)
class ShownCall:
    """A tool call that the model wants, and the action that would be called. `arguments` is None if
    the model's text is not a JSON object."""

    id: str
    name: str
    arguments: Json | None
    action: Action | None


@dataclass(frozen=True)
class TryResult:
    """`cost` is in US dollars, None if the price is not known. `model_name` is who answered."""

    reply: str
    refusal: str | None
    outcome: Outcome
    tool_calls: tuple[ShownCall, ...]
    usage: catalogue.Usage | None
    cost: float | None
    model_name: str
    version: int
    warnings: tuple[str, ...] = field(default=())


def prepare(session: Session, bot_id: UUID) -> Try:
    """Raises BotNotFound, NoModelKey."""
    bot = manage.find_bot(session, bot_id)
    own_key = servers.key(session, bot, Server.MODEL)
    return Try(
        tenant_id=db.tenant_of(session),
        bot_id=bot_id,
        endpoint=_endpoint(bot, own_key),
        base_url=bot.model_base_url,
        uses_installation_key=own_key is None and bot.model_base_url is None,
    )


def _endpoint(bot: Bot, own_key: str | None) -> Endpoint:
    """Return the bot's own server, or the operator's. The operator's key goes nowhere else."""
    if bot.model_base_url is not None:
        is_openai = is_openai_host(bot.model_base_url)
        return Endpoint(bot.model_base_url, own_key or "", is_openai=is_openai)
    settings = config.current()
    key = own_key or settings.openai_api_key
    if not key:
        raise NoModelKey
    return Endpoint(settings.openai_base_url, key, is_trusted=True, is_openai=True)


def run(prepared: Try, message: str, history: Sequence[Said]) -> TryResult:
    """Ask the model, with no transaction open.

    Raises BotNotFound, UnknownModelName, TooManyTries, ModelUnavailable, ModelMisconfigured,
    ModelRefused.
    """
    found = cache.active(prepared.tenant_id, prepared.bot_id)
    if found is None:
        raise BotNotFound
    definition = found.definition
    try:
        choice = model_choice.choose(definition, prepared.base_url)
    except UnknownModel as error:
        raise UnknownModelName(str(error)) from error
    cache_key = f"{prepared.bot_id}:{found.version}"
    question = _question(definition, choice, [*history, Said(Role.USER, message)], cache_key)
    reply = _ask(prepared, question)
    return TryResult(
        reply=reply.text,
        refusal=reply.refusal,
        outcome=reply.outcome,
        tool_calls=tuple(_shown(call, definition) for call in reply.tool_calls),
        usage=reply.usage,
        cost=_cost(prepared.endpoint, choice, reply),
        model_name=choice.name,
        version=found.version,
        warnings=choice.warnings,
    )


def _question(
    definition: Definition, choice: Choice, said: Sequence[Said], cache_key: str
) -> Question:
    return Question(
        model=choice.name,
        instructions=definition.instructions,
        items=tuple(said[-1 - definition.history_messages :]),
        tools=definition.tools,
        max_tokens=definition.max_tokens,
        temperature=definition.temperature,
        effort=definition.reasoning_effort,
        cache_key=cache_key,
    )


def _ask(prepared: Try, question: Question) -> Reply:
    call = Call(config.current().model_timeout_seconds)
    with _place(prepared.tenant_id):
        try:
            reply = client.ask(prepared.endpoint, question, call)
        except AiError as error:
            known = error.code if error.code in REMEDIES else ""
            log.info("bot_try_failed", kind=type(error).__name__, reason=known)
            raise _as_ours(error, known, prepared) from error
    if reply.outcome is Outcome.FAILED:
        raise ModelUnavailable
    return reply


@contextmanager
def _place(tenant_id: UUID) -> Iterator[None]:
    """Raises TooManyTries."""
    if not places.take(tenant_id):
        raise TooManyTries
    try:
        yield
    finally:
        places.give_back(tenant_id)


def _as_ours(error: AiError, known: str, prepared: Try) -> AppError:
    """Return our error for one of the model client, without the server's own words: they may repeat
    the key. `known` is the server's code if it is in REMEDIES."""
    details = {"reason": known} if known else {}
    remedy = REMEDIES.get(known, "")
    match error:
        case Misconfigured():
            remedy = INSTALLATION if prepared.uses_installation_key else remedy
            remedy = remedy or "Check model.api_key, model.base_url and openai_model."
            return ModelMisconfigured(f"{ModelMisconfigured.message} {remedy}", details=details)
        case TooLong():
            remedy = REMEDIES["context_length_exceeded"]
            return ModelRefused(f"{ModelRefused.message} {remedy}", details=details)
        case BadQuestion():
            remedy = remedy or "Check the functions, max_tokens and reasoning_effort of this bot."
            return ModelRefused(f"{ModelRefused.message} {remedy}", details=details)
        case Transient(retry_after=seconds) if seconds > 0:
            away = ModelUnavailable()
            away.headers["Retry-After"] = str(math.ceil(min(seconds, LONGEST_WAIT)))
            return away
        case _:
            return ModelUnavailable()


def _shown(call: ToolCall, definition: Definition) -> ShownCall:
    return ShownCall(call.id, call.name, _object(call.arguments), definition.action_of(call.name))


def _object(text: str) -> Json | None:
    """Return the JSON object in a text of the model; None if there is none that we can answer."""
    try:
        found: Any = json.loads(text)
        if not isinstance(found, dict) or checks.depth_of(found) > DEEPEST_ARGUMENTS:
            return None
        # NaN and Infinity are no JSON, but are read as if they were.
        json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        return None
    return found


def _cost(endpoint: Endpoint, choice: Choice, reply: Reply) -> float | None:
    """Return the cost by OpenAI's prices; other servers have their own."""
    if choice.model is None or reply.usage is None or not endpoint.is_openai:
        return None
    return float(catalogue.cost(choice.model.price, reply.usage))
