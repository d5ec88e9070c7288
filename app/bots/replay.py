"""Replaying turns that ended with a version of their bot. Nothing is sent, called or stored: tools
are answered from the record."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app import config, db
from app.ai.catalogue import Usage
from app.bots import (
    asking,
    brain,
    embedding,
    facts,
    manage,
    model_choice,
    playground,
    quoting,
    records,
    turns,
    versions,
)
from app.bots import replay_repository as repository
from app.bots import turns_repository as turns_of
from app.bots.actions import AGREED
from app.bots.brain import Ports
from app.bots.budget import Account
from app.bots.definition import Definition, Json, from_json
from app.bots.errors import BudgetReached, TurnNotFound, UnknownModelName
from app.bots.facts import Facts
from app.bots.loop import CallState, Ending
from app.bots.model_choice import UnknownModel
from app.bots.recorded_tools import NOWHERE, RecordedKit
from app.bots.records import CallDetails
from app.bots.replay_repository import Found
from app.bots.turns import Result, Work
from app.common.egress import Call
from app.models import Bot
from app.models import Turn as TurnRow

MESSAGES_GONE = "messages_gone"
NO_TIME = "no_time"
FAILURES = frozenset({*brain.ERRORS.values(), BudgetReached.code, Ending.STOPPED})
"""Errors that say nothing about the version: the model did not answer, or was not asked."""

LEAST_SECONDS = 1.0
"""No turn is begun, and no model asked, with less time than this."""


@dataclass(frozen=True)
class Course:
    """How a turn went. `text` is all that was sent, None for nothing; `usage` is None if no model
    was asked; `cost` is in US dollars, None if the price is not known."""

    outcome: str | None = None
    text: str | None = None
    calls: tuple[CallDetails, ...] = ()
    version: int | None = None
    usage: Usage | None = None
    cost: float | None = None
    error: str | None = None


class Difference(StrEnum):
    """NEW_CALL: the model made a call that the record lacks."""

    TEXT = "text"
    CALLS = "calls"
    OUTCOME = "outcome"
    NEW_CALL = "new_call"


@dataclass(frozen=True)
class Item:
    """With `has_failed` there is nothing to compare."""

    turn_id: UUID
    was: Course
    now: Course
    differences: tuple[Difference, ...] = ()
    has_failed: bool = False


@dataclass(frozen=True)
class Summary:
    """`cost` is in US dollars, None if no price is known."""

    turns: int
    same: int
    different: int
    failed: int
    cost: float | None


@dataclass(frozen=True)
class Replayed:
    version: int
    items: tuple[Item, ...]
    summary: Summary


@dataclass(frozen=True)
class Recorded:
    """A turn that ended, with what is needed to run it again; without `work` a message that it read
    or sent is gone."""

    turn_id: UUID
    was: Course
    calls: tuple[Json, ...]
    work: Work | None
    facts: Facts | None


@dataclass(frozen=True)
class Prepared:
    """What a replay needs after its transaction. The facts hold keys. The calls of the model count
    in the budgets of the bot and of all bots, not in a customer's."""

    tenant_id: UUID
    account: Account
    version: int
    definition: Definition
    turns: tuple[Recorded, ...]


def prepare(
    session: Session, bot_id: UUID, version: int, turn_ids: Sequence[UUID] | None, last: int
) -> Prepared:
    """Read the turns with these ids, else the `last` ones that were answered, newest first.

    Raises BotNotFound, BotVersionNotFound, TurnNotFound, NoModelKey, UnknownModelName.
    """
    bot = manage.find_bot(session, bot_id)
    definition = from_json(versions.find(session, bot, version).definition)
    account = playground.prepare(session, bot_id).account
    try:
        model_choice.choose(definition, bot.model_base_url)
    except UnknownModel as error:
        raise UnknownModelName(str(error)) from error
    found = _find(session, bot_id, turn_ids, last)
    recorded = tuple(_read(session, bot, definition, each) for each in found)
    return Prepared(db.tenant_of(session), account, version, definition, recorded)


def _find(
    session: Session, bot_id: UUID, turn_ids: Sequence[UUID] | None, last: int
) -> Sequence[Found]:
    if turn_ids is None:
        return repository.newest_answered(session, bot_id, last)
    found = repository.finished(session, bot_id, turn_ids)
    if missing := [str(each) for each in turn_ids if each not in found]:
        raise TurnNotFound(details={"turns": missing})
    return [found[each] for each in turn_ids]


def _read(session: Session, bot: Bot, definition: Definition, found: Found) -> Recorded:
    turn, contact_id, channel_id = found
    texts, lines = repository.texts(session, turn), repository.lines(session, turn)
    was = _was(turn, texts)
    if lines is None or (turn.reply_id is not None and not texts):
        return Recorded(turn.id, was, tuple(turn.calls), None, None)
    at = _began(turn)
    begun = [call for call in turn.calls if call["state"] == CallState.BEGUN]
    untold = turns_of.untold_calls(session, turn.conversation_id, turns.UNTOLD_FOR, at)
    work = Work(
        turn_id=turn.id,
        conversation_id=turn.conversation_id,
        contact_id=contact_id,
        channel_id=channel_id,
        bot_id=bot.id,
        tries=turn.tries,
        gives_up=False,
        owner_fence=turn.owner_fence,
        lines=lines,
        message_ids=tuple(turn.message_ids),
        may_be_replaced=False,
        earlier_calls=(*untold, *begun),
        agreed=next((call for call in turn.calls if call["id"] == AGREED), None),
    )
    known = facts.read_at(session, bot, work, definition, at)
    return Recorded(turn.id, was, tuple(turn.calls), work, known)


def _began(turn: TurnRow) -> datetime:
    return turn.started_at or turn.finished_at or turn.armed_at


def _was(turn: TurnRow, texts: Sequence[str]) -> Course:
    details = records.describe(turn)
    # What an attempt before the last one began is not what the last one did.
    calls = tuple(call for call in details.calls if call.state != CallState.BEGUN)
    return Course(
        outcome=details.outcome,
        text=_joined(texts),
        calls=calls,
        version=details.version,
        usage=details.usage,
        cost=details.cost,
        error=details.error,
    )


def run(prepared: Prepared) -> Replayed:
    """Ask the model for one turn after the other, with no transaction open, until the time for
    requests that wait is over. Raises TooManyTries."""
    whole = Call(config.current().model_timeout_seconds)
    with playground.place(prepared.tenant_id):
        items = tuple(_replayed(prepared, each, whole) for each in prepared.turns)
    return Replayed(prepared.version, items, _summary(items))


def _replayed(prepared: Prepared, recorded: Recorded, whole: Call) -> Item:
    work, known = recorded.work, recorded.facts
    if work is None or known is None:
        return _failed(recorded, Course(error=MESSAGES_GONE))
    if whole.seconds_left() <= LEAST_SECONDS:
        return _failed(recorded, Course(error=NO_TIME))
    call = Call(min(whole.seconds_left(), config.current().turn_seconds))
    kit = RecordedKit(
        prepared.definition,
        NOWHERE,
        known.contact,
        work.turn_id,
        work.earlier_calls,
        call,
        _noted,
        recorded=recorded.calls,
    )
    by_meaning = embedding.meaning_of(
        prepared.tenant_id,
        prepared.account,
        known.endpoint,
        is_wanted=known.searches_by_meaning,
        whole=call,
    )
    ports = Ports(
        kit=kit,
        ask=partial(asking.ask_once, prepared.tenant_id, prepared.account),
        look_up=partial(quoting.look_up, prepared.tenant_id, work.bot_id, work.lines, by_meaning),
        show_typing=_shown,
        may_go_on=lambda _: call.seconds_left() > LEAST_SECONDS,
    )
    result = brain.decide(work, known, ports)
    if result.error in FAILURES:
        is_over = whole.seconds_left() <= LEAST_SECONDS
        return _failed(recorded, _now(result, NO_TIME if is_over else ""))
    now = _now(result)
    differences = _differences(recorded.was, now)
    if kit.missing:
        differences = (*differences, Difference.NEW_CALL)
    return Item(recorded.turn_id, recorded.was, now, differences)


def _shown() -> None:
    """The customer of a replay sees nothing."""


def _noted(_: Any) -> bool:
    """The turn of a replay is not stored, so nobody can take it."""
    return True


def _failed(recorded: Recorded, now: Course) -> Item:
    return Item(recorded.turn_id, recorded.was, now, has_failed=True)


def _now(result: Result, error: str = "") -> Course:
    return Course(
        outcome=result.outcome,
        text=_joined(result.texts),
        calls=tuple(records.describe_call(call) for call in result.calls),
        usage=result.usage if result.model else None,
        cost=None if result.cost is None else float(result.cost),
        error=error or result.error or None,
    )


def _joined(texts: Sequence[str]) -> str | None:
    return "\n\n".join(texts) if texts else None


def _differences(was: Course, now: Course) -> tuple[Difference, ...]:
    compared = {
        Difference.TEXT: (was.text, now.text),
        Difference.CALLS: (_called(was), _called(now)),
        Difference.OUTCOME: (was.outcome, now.outcome),
    }
    return tuple(name for name, (before, after) in compared.items() if before != after)


def _called(course: Course) -> list[tuple[str, Json | None]]:
    return [(call.name, call.arguments) for call in course.calls]


def _summary(items: Sequence[Item]) -> Summary:
    failed = sum(item.has_failed for item in items)
    different = sum(bool(item.differences) for item in items)
    costs = [item.now.cost for item in items if item.now.cost is not None]
    return Summary(
        turns=len(items),
        same=len(items) - failed - different,
        different=different,
        failed=failed,
        cost=sum(costs) if costs else None,
    )
