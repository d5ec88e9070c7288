"""Trying a bot: one question to its model. Nothing is sent, and no action is called."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import config, db
from app.ai import catalogue
from app.ai.embedding import Vector
from app.ai.errors import AiError, BadQuestion, Misconfigured, TooLong, Transient
from app.ai.types import Endpoint, Outcome, Question, Reply, Role, Said, ToolCall, is_openai_host
from app.bots import (
    asking,
    cache,
    embedding,
    manage,
    model_choice,
    quoting,
    remedies,
    servers,
    tool_arguments,
)
from app.bots.accounts import account_for
from app.bots.asking import Source
from app.bots.budget import Account, BudgetFull
from app.bots.definition import Action, Definition, Json
from app.bots.errors import (
    BotNotFound,
    BudgetReached,
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
from app.common.encryption import CannotOpen
from app.common.slots import places
from app.errors import AppError
from app.knowledge.service import Found, Meaning
from app.models import Bot

log = structlog.get_logger(__name__)

LONGEST_WAIT = 120
"""Seconds that a client is asked to wait at most."""


@dataclass(frozen=True)
class Try:
    """What a try needs after its transaction. `endpoint` holds the key."""

    tenant_id: UUID
    bot_id: UUID
    endpoint: Endpoint
    base_url: str | None
    account: Account
    searches_by_meaning: bool


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
    sources: tuple[Json, ...]
    usage: catalogue.Usage | None
    cost: float | None
    model_name: str
    version: int
    warnings: tuple[str, ...] = field(default=())


def prepare(session: Session, bot_id: UUID) -> Try:
    """Raises BotNotFound, NoModelKey."""
    bot = manage.find_bot(session, bot_id)
    return Try(
        tenant_id=db.tenant_of(session),
        bot_id=bot_id,
        endpoint=endpoint_for(session, bot),
        base_url=bot.model_base_url,
        account=account_for(session, bot),
        searches_by_meaning=bot.searches_by_meaning,
    )


def endpoint_for(session: Session, bot: Bot) -> Endpoint:
    """Raises NoModelKey, CannotOpen."""
    return endpoint_of(bot, servers.key(session, bot, Server.MODEL))


def endpoint_of(bot: Bot, own_key: str | None) -> Endpoint:
    """Return the bot's own server, or the operator's. The operator's key goes nowhere else.

    Raises NoModelKey.
    """
    if bot.model_base_url is not None:
        is_openai = is_openai_host(bot.model_base_url)
        return Endpoint(bot.model_base_url, own_key or "", is_openai=is_openai)
    settings = config.current()
    key = own_key or settings.openai_api_key
    if not key:
        raise NoModelKey
    return Endpoint(settings.openai_base_url, key, is_trusted=True, is_openai=True)


def meaning_for(session: Session, bot_id: UUID) -> Meaning | None:
    """Return how a request has questions to a bot embedded, None if they are not.

    Raises BotNotFound.
    """
    bot = manage.find_bot(session, bot_id)
    if not bot.searches_by_meaning:
        return None
    try:
        endpoint = endpoint_for(session, bot)
    except (NoModelKey, CannotOpen):
        return None
    tenant_id, account = db.tenant_of(session), account_for(session, bot)
    by_meaning = embedding.meaning_of(tenant_id, account, endpoint, is_wanted=True)
    return _in_a_place(tenant_id, by_meaning)


def _in_a_place(tenant_id: UUID, by_meaning: Meaning | None) -> Meaning | None:
    """Let a question be embedded only while one of the places of requests that wait is free."""
    if by_meaning is None:
        return None
    inner = by_meaning.embed

    def embed(question: str) -> Vector | None:
        try:
            with place(tenant_id):
                return inner(question)
        except TooManyTries:
            return None

    return Meaning(by_meaning.model, embed)


def run(prepared: Try, message: str, history: Sequence[Said]) -> TryResult:
    """Ask the model, with no transaction open.

    Raises BotNotFound, UnknownModelName, TooManyTries, BudgetReached, ModelUnavailable,
    ModelMisconfigured, ModelRefused.
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
    said = [*history, Said(Role.USER, message)]
    by_meaning = embedding.meaning_of(
        prepared.tenant_id,
        prepared.account,
        prepared.endpoint,
        is_wanted=prepared.searches_by_meaning,
    )
    quoted = quoting.look_up_said(
        prepared.tenant_id, prepared.bot_id, said, _in_a_place(prepared.tenant_id, by_meaning)
    )
    question = _question(definition, choice, said, quoted, cache_key)
    reply = _ask(prepared, asking.source_of(prepared.endpoint, choice), question)
    return TryResult(
        reply=reply.text,
        refusal=reply.refusal,
        outcome=reply.outcome,
        tool_calls=tuple(_shown(call, definition) for call in reply.tool_calls),
        sources=tuple(quoted.sources),
        usage=reply.usage,
        cost=_cost(prepared.endpoint, choice, reply),
        model_name=choice.name,
        version=found.version,
        warnings=choice.warnings,
    )


def _question(
    definition: Definition, choice: Choice, said: Sequence[Said], quoted: Found, cache_key: str
) -> Question:
    return Question(
        model=choice.name,
        instructions=definition.instructions,
        items=(*said[-1 - definition.history_messages :], *quoted.items),
        tools=definition.tools,
        max_tokens=definition.max_tokens,
        temperature=definition.temperature,
        effort=definition.reasoning_effort,
        cache_key=cache_key,
    )


def _ask(prepared: Try, source: Source, question: Question) -> Reply:
    call = Call(config.current().model_timeout_seconds)
    with place(prepared.tenant_id):
        try:
            reply = asking.ask_once(prepared.tenant_id, prepared.account, source, question, call)
        except BudgetFull as error:
            raise _reached(prepared.account, error) from error
        except AiError as error:
            known = remedies.known_code(error)
            log.info("bot_try_failed", kind=type(error).__name__, reason=known)
            raise _as_ours(error, known, prepared) from error
    if reply.outcome is Outcome.FAILED:
        raise ModelUnavailable
    return reply


def _reached(account: Account, error: BudgetFull) -> BudgetReached:
    full = error.full[0]
    details = {
        "scope": str(full.counter.scope),
        "period": str(full.counter.period),
        "unit": full.unit,
        "limit": float(full.limit),
    }
    seconds = account.seconds_until_end(full.counter.period)
    return BudgetReached(details=details, headers={"Retry-After": str(math.ceil(seconds))})


@contextmanager
def place(tenant_id: UUID) -> Iterator[None]:
    """Occupy one of the few places of requests that wait for a server. Raises TooManyTries."""
    if not places.take(tenant_id):
        raise TooManyTries
    try:
        yield
    finally:
        places.give_back(tenant_id)


def _as_ours(error: AiError, known: str, prepared: Try) -> AppError:
    """Return our error for one of the model client, without the server's own words: they may repeat
    the key. `known` is the server's code if it may be shown."""
    details = {"reason": known} if known else {}
    remedy = remedies.REMEDIES.get(known, "")
    match error:
        case Misconfigured():
            remedy = remedies.of_misconfigured(error, prepared.endpoint)
            return ModelMisconfigured(f"{ModelMisconfigured.message} {remedy}", details=details)
        case TooLong():
            remedy = remedies.REMEDIES["context_length_exceeded"]
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
    return ShownCall(
        call.id, call.name, tool_arguments.read(call.arguments), definition.action_of(call.name)
    )


def _cost(endpoint: Endpoint, choice: Choice, reply: Reply) -> float | None:
    """Return the cost by OpenAI's prices; other servers have their own."""
    if choice.model is None or reply.usage is None or not endpoint.is_openai:
        return None
    return float(catalogue.cost(choice.model.price, reply.usage))
