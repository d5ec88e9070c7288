"""What a bot says in a turn: its model is asked with its tools, within one deadline."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from uuid import UUID

import structlog

from app import config, db
from app.ai import catalogue
from app.ai.errors import AiError, BadQuestion, Misconfigured, TooLong, Transient
from app.ai.types import Question, Reply, ToolResult
from app.bots import (
    asking,
    cache,
    embedding,
    facts,
    loop,
    model_choice,
    prompt,
    quoting,
    sayings,
    typing_indicator,
)
from app.bots import turns_repository as turns
from app.bots.actions import LONGEST_RECORD, Kit
from app.bots.asking import Ask, Meter
from app.bots.budget import BudgetFull, Try
from app.bots.definition import Definition, Json
from app.bots.errors import NoModelKey, UnknownModelName
from app.bots.facts import Facts, Unwanted
from app.bots.history import Line
from app.bots.model_choice import Choice, UnknownModel
from app.bots.turns import WORKER_DIED, Result, Work
from app.common.egress import Call
from app.common.wording import normalise, storable
from app.knowledge.service import Found
from app.models import TurnOutcome

log = structlog.get_logger(__name__)

MOST_WORDS_OF_A_KEYWORD = 5
"""A longer message that holds a keyword is about something else."""

ERRORS: dict[type[AiError], str] = {
    Transient: "model_unavailable",
    Misconfigured: "model_misconfigured",
    BadQuestion: "model_refused",
    TooLong: "model_refused",
}
"""What is recorded of a turn whose model failed, in the words of the API."""

MOST_RECORDED = 2 * loop.MOST_CALLS
"""A server may make up as many calls as it likes; all but the first few were refused."""


@dataclass(frozen=True)
class Ports:
    """What a turn reaches outside of its process. A replay has ports of its own."""

    kit: Kit
    ask: Ask
    look_up: Callable[[], Found]
    show_typing: Callable[[], None]
    may_go_on: Callable[[loop.Turn], bool]


def think(tenant_id: UUID, work: Work) -> Result:
    """Return what the bot says, without a transaction but for short ones."""
    began, call = time.monotonic(), Call(config.current().turn_seconds)
    found = cache.active(tenant_id, work.bot_id)
    if found is None:
        return Result((), TurnOutcome.SILENT, "bot_deleted")
    try:
        result = _think(tenant_id, work, found.definition, call)
    except Unwanted as error:
        result = Result((), TurnOutcome.SILENT, str(error))
    if result.error in ERRORS.values():
        log.warning("turn_failed", turn_id=str(work.turn_id), kind=result.error)
    milliseconds = round((time.monotonic() - began) * 1000)
    return replace(result, version=found.version, milliseconds=milliseconds)


def _think(tenant_id: UUID, work: Work, definition: Definition, call: Call) -> Result:
    """Raises Unwanted."""
    with db.tenant_session(tenant_id) as session:
        known = facts.read(session, work, definition)
    meter = Meter(tenant_id, known.account, Try(work.turn_id, work.tries))
    note = partial(_note, tenant_id, work)
    by_meaning = embedding.meaning_of(
        tenant_id,
        known.account,
        known.endpoint,
        is_wanted=known.searches_by_meaning,
        whole=call,
    )
    ports = Ports(
        kit=Kit(
            definition, known.server, known.contact, work.turn_id, work.earlier_calls, call, note
        ),
        ask=meter.ask,
        look_up=partial(quoting.look_up, tenant_id, work.bot_id, work.lines, by_meaning),
        show_typing=partial(typing_indicator.show, tenant_id, work),
        may_go_on=partial(_may_go_on, tenant_id, work, call),
    )
    result = decide(work, known, ports)
    return replace(result, settlement=meter.settlement, needs_summary=known.memory.is_long)


def decide(work: Work, known: Facts, ports: Ports) -> Result:
    """Return what the bot says, within the deadline of its tools."""
    definition = ports.kit.definition
    if asks_for_a_person(work.lines, definition):
        return sayings.handed_over(definition, known, "the customer asked for a person")
    if known.is_closed:
        return sayings.closed(definition, known)
    if work.gives_up:
        return sayings.fallen_back(definition, known, WORKER_DIED)
    if known.endpoint is None:
        return sayings.fallen_back(definition, known, NoModelKey.code)
    try:
        choice = model_choice.choose(definition, known.model_base_url)
    except UnknownModel:
        return sayings.fallen_back(definition, known, UnknownModelName.code)
    if definition.shows_typing:
        ports.show_typing()
    return _ask(work, known, choice, ports)


def asks_for_a_person(lines: tuple[Line, ...], definition: Definition) -> bool:
    """Return whether one of the customer's messages since the last answer is a short one with a
    hand-over keyword."""
    keywords = [f" {normalise(keyword)} " for keyword in definition.handover_keywords]
    unanswered = takewhile(lambda line: line.is_customer, reversed(lines))
    return any(
        len(said.split()) <= MOST_WORDS_OF_A_KEYWORD
        and any(keyword in f" {said} " for keyword in keywords)
        for said in (normalise(line.body) for line in unanswered)
    )


def _ask(work: Work, known: Facts, choice: Choice, ports: Ports) -> Result:
    if known.endpoint is None:
        raise AssertionError("checked before")
    turn, kit, found = loop.Turn(), ports.kit, ports.look_up()
    source = asking.source_of(known.endpoint, choice)
    question = prompt.question(work, known, choice, kit, found)
    if work.agreed is not None:
        question = _with_agreed(turn, question, kit, work.agreed)
    ask = partial(ask_model, partial(ports.ask, source), kit.call)
    try:
        loop.run(turn, question, kit, ask, ports.may_go_on)
    except AiError as error:
        kind = ERRORS.get(type(error), "model_unavailable")
        result = sayings.fallen_back(kit.definition, known, kind)
    except BudgetFull:
        result = sayings.over_budget(kit.definition, known)
    else:
        result = sayings.said(turn, kit.definition, known)
    return replace(
        result,
        model=choice.name,
        usage=turn.usage,
        cost=None if source.price is None else catalogue.cost(source.price, turn.usage),
        has_changed=turn.has_changed,
        calls=tuple(_recorded(each) for each in turn.calls[:MOST_RECORDED]),
        sources=tuple(found.sources),
    )


def _with_agreed(turn: loop.Turn, question: Question, kit: Kit, agreed: Json) -> Question:
    """Make the call that the customer has agreed to, and let the model tell of it."""
    call, arguments, done = kit.run_agreed(agreed)
    turn.calls.append(loop.Called(call.id, call.name, arguments, done.state, done.text))
    turn.has_changed = done.has_changed
    *items, last = question.items
    return replace(question, items=(*items, call, ToolResult(call.id, done.text), last))


def _recorded(called: loop.Called) -> Json:
    """Return a call as it is stored. Arguments that are a text were no JSON object."""
    arguments = called.arguments
    return {
        "id": storable(called.id)[:100],
        "name": storable(called.name)[:64],
        "arguments": storable(arguments) if isinstance(arguments, str) else arguments,
        "state": called.state,
        "result": storable(called.result)[:LONGEST_RECORD],
    }


def ask_model(ask: Callable[[Question, Call], Reply], call: Call, question: Question) -> Reply:
    """Ask within the turn's deadline; once more after a passing failure, and with half of the
    history if it was too long.

    Raises AiError, BudgetFull.
    """
    try:
        return ask(question, _part_of(call))
    except TooLong:
        return ask(prompt.shorter(question), _part_of(call))
    except Transient as error:
        if error.retry_after > 5:
            raise
        time.sleep(min(max(error.retry_after, 0.2), _left(call)))
        return ask(question, _part_of(call))


def _part_of(call: Call) -> Call:
    return Call(min(_left(call), config.current().model_timeout_seconds))


def _left(call: Call) -> float:
    return max(call.seconds_left(), 0.0)


def _may_go_on(tenant_id: UUID, work: Work, call: Call, turn: loop.Turn) -> bool:
    """Return False once the time is over, a person took over, or something newer waits that the
    next turn can answer together with this."""
    if _left(call) <= 1.0:
        return False
    is_alone = work.may_be_replaced and not turn.has_changed
    with db.tenant_session(tenant_id) as session:
        return turns.is_still_wanted(
            session, work.conversation_id, work.owner_fence, is_alone=is_alone
        )


def _note(tenant_id: UUID, work: Work, called: Json) -> bool:
    with db.tenant_session(tenant_id) as session:
        return turns.note_call(session, work.turn_id, work.tries, called)
