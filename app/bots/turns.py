"""A bot's turns: armed by what a customer writes, claimed by a worker, and finished once.

A turn answers everything that came until it was begun. Three facts are checked again in the
transaction that queues the answer: the worker still has the turn, the bot still owns the
conversation, and nothing newer waits. So a burst gets one answer, and nothing is said once a person
has taken over.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import takewhile
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import func
from sqlalchemy.orm import Session

from app import config, db
from app.ai.catalogue import Usage
from app.bots import budget, confirming, history
from app.bots import turns_repository as repository
from app.bots.budget import Settlement
from app.bots.definition import Json
from app.bots.history import Line
from app.common import clock
from app.common.faultpoint import faultpoint
from app.conversations import service as conversations
from app.conversations.window import Window, window_of
from app.errors import AppError
from app.messages import content
from app.messages import service as messages
from app.models import (
    Conversation,
    Direction,
    Message,
    Owner,
    Priority,
    Sender,
    Turn,
    TurnOutcome,
    TurnState,
)
from app.tasks import names
from app.tasks.ring import send

log = structlog.get_logger(__name__)

LONGEST_WAIT = timedelta(seconds=15)
"""From the first message of a burst, however long the customer goes on typing."""

MOST_TRIES = 3
"""A turn that was begun so often tells the customer that there is no answer, without the model."""

MOST_LAST_TRIES = 3
"""So often may that be tried. Then the turn ends in silence."""

WORKER_DIED = "worker_died"
"""The error of a turn that no worker survived."""

UNTOLD_FOR = timedelta(minutes=10)
"""What a turn without an answer did is remembered for so long, and not done again."""

MOST_REPLACED = 2
"""So often may newer messages replace a turn; then it is finished, and the next one follows."""

MOST_RUNNING = 50
"""Turns of one tenant at once, so that its slow model leaves threads for the others."""

IMMEDIATE = frozenset({"button_reply", "list_reply", "flow_reply", "location", "order"})
"""What a customer sends by one touch; nothing follows that would belong to it."""


@dataclass(frozen=True)
class Work:
    """A claimed turn: what a worker needs to run it without the database.

    `may_be_replaced`: something newer may end it, because the next turn answers both.
    `earlier_calls` of tools, the oldest first: those that the customer was not told of. `agreed` is
    the call that the customer has said yes to.
    """

    turn_id: UUID
    conversation_id: UUID
    contact_id: UUID
    channel_id: UUID
    bot_id: UUID
    tries: int
    gives_up: bool
    owner_fence: int
    lines: tuple[Line, ...]
    message_ids: tuple[str, ...]
    may_be_replaced: bool
    earlier_calls: tuple[Json, ...]
    agreed: Json | None = None


@dataclass(frozen=True)
class Result:
    """What became of a turn: the texts to send, in order, and what is recorded of it.

    `settlement` is the last call of the model, which has to be settled. `needs_summary`: a summary
    of what was said before is due.
    """

    texts: tuple[str, ...]
    outcome: TurnOutcome
    error: str = ""
    model: str = ""
    version: int | None = None
    usage: Usage = field(default_factory=Usage)
    cost: Any = None
    milliseconds: int = 0
    has_changed: bool = False
    calls: tuple[dict[str, Any], ...] = ()
    sources: tuple[dict[str, Any], ...] = ()
    hand_over_reason: str | None = None
    settlement: Settlement | None = None
    needs_summary: bool = False


def arm(session: Session, incoming: Message, bot_id: UUID, wait: timedelta) -> None:
    """Have the bot answer this message, in the transaction that stored it.

    Does nothing where a person owns the conversation, nor for a test message. The turn waits until
    the customer has written nothing for `wait`.
    """
    if incoming.is_test or incoming.type in history.SILENT:
        return
    if not conversations.bot_takes(session, incoming.conversation_id):
        return
    if incoming.type in IMMEDIATE:
        wait = timedelta()
    left = repository.arm(
        session, incoming.conversation_id, incoming.id, bot_id, wait, LONGEST_WAIT
    )
    ring_at(session, incoming.conversation_id, left)


def ring_at(session: Session, conversation_id: UUID, left: timedelta) -> None:
    """Enqueue the turn after the commit, for when it is due."""
    tenant_id, seconds = db.tenant_of(session), max(left.total_seconds(), 0.0)
    db.after_commit(
        session, partial(send, names.RUN_TURN, tenant_id, conversation_id, countdown=seconds)
    )


def claim(session: Session, conversation_id: UUID) -> Work | None:
    """Begin the turn of a conversation; None if there is none to begin now.

    A turn whose worker died is begun again.
    """
    conversation = conversations.lock(session, conversation_id)
    open_turns = repository.lock_open(session, conversation_id)
    if conversation is None or not open_turns:
        return None
    now = repository.database_now(session)
    turn = open_turns.get(TurnState.RUNNING)
    if turn is not None and turn.lease_until is not None and turn.lease_until > now:
        return None
    budget.count_left(session, conversation)
    if turn is not None:
        if turn.tries >= MOST_TRIES + MOST_LAST_TRIES:
            _close(turn, TurnOutcome.SILENT, WORKER_DIED)
            turn = open_turns.get(TurnState.ARMED)
    else:
        turn = open_turns[TurnState.ARMED]
    if turn is None or turn.due_at > now:
        return None
    if turn.state == TurnState.ARMED and repository.count_running(session) >= MOST_RUNNING:
        return None
    if reason := _why_not(conversation, turn):
        _close(turn, TurnOutcome.SILENT, reason)
        return None
    return _begin(session, conversation, turn)


def _why_not(conversation: Conversation, turn: Turn) -> str | None:
    """Return why the bot must be silent now; asked when a turn runs, not when it was armed."""
    if conversation.owner != Owner.BOT:
        return "taken_over"
    if turn.bot_id is None:
        return "bot_deleted"
    if window_of(conversation, clock.now()) is Window.CLOSED:
        return "outside_window"
    return None


def _begin(session: Session, conversation: Conversation, turn: Turn) -> Work | None:
    rows = repository.last_messages(
        session,
        conversation.id,
        conversation.history_from,
        turn.message_ids,
        repository.MOST_MESSAGES,
    )
    said = [row.body for row in rows if row.direction == Direction.INCOMING]
    if not said:
        _close(turn, TurnOutcome.SILENT, "nothing_to_answer")
        return None
    most = config.current().bot_replies_per_hour
    if not conversations.bot_may_reply(session, conversation.id, said[-1], most):
        is_loop = conversation.owner == Owner.HUMAN
        _close(turn, TurnOutcome.SILENT, "loop" if is_loop else "auto_replies_paused")
        return None
    turn.state = TurnState.RUNNING
    turn.tries += 1
    # Longer than a turn may take, so only a worker that died loses its turn.
    turn.lease_until = func.now() + timedelta(seconds=2 * config.current().turn_seconds)
    turn.started_at = func.now()
    turn.owner_fence = conversation.owner_fence
    turn.message_ids = [str(row.id) for row in rows]
    untold = repository.untold_calls(session, conversation.id, UNTOLD_FOR)
    if turn.bot_id is None:
        raise AssertionError("checked before")
    return Work(
        turn_id=turn.id,
        conversation_id=conversation.id,
        contact_id=conversation.contact_id,
        channel_id=conversation.channel_id,
        bot_id=turn.bot_id,
        tries=turn.tries,
        gives_up=turn.tries > MOST_TRIES,
        owner_fence=turn.owner_fence,
        lines=lines_of(rows),
        message_ids=tuple(turn.message_ids),
        may_be_replaced=turn.replaced < MOST_REPLACED,
        earlier_calls=(*untold, *turn.calls),
        agreed=_agreed(session, conversation, rows),
    )


def lines_of(rows: repository.Messages) -> tuple[Line, ...]:
    return tuple(Line(row.direction == Direction.INCOMING, row.type, row.body) for row in rows)


def _agreed(session: Session, conversation: Conversation, rows: repository.Messages) -> Json | None:
    """Return the call that the customer was asked about, if all they wrote since is yes."""
    since = list(takewhile(lambda row: row.direction == Direction.INCOMING, reversed(rows)))
    if not confirming.is_yes(row.body for row in since):
        return None
    asked_before = min(row.at for row in since)
    return repository.awaiting_yes(
        session,
        conversation.id,
        confirming.VALID_FOR,
        asked_before,
        conversation.history_from,
    )


def finish(session: Session, work: Work, result: Result) -> TurnOutcome | None:
    """Queue the answer and close the turn, in one transaction; None if the turn was lost.

    The answer is dropped when a person took over meanwhile, or when something newer waits that the
    next turn answers together with this.
    """
    conversation = conversations.lock(session, work.conversation_id)
    open_turns = repository.lock_open(session, work.conversation_id)
    turn = open_turns.get(TurnState.RUNNING)
    if conversation is None or turn is None or turn.id != work.turn_id or turn.tries != work.tries:
        log.info("turn_lost", turn_id=str(work.turn_id))
        return None
    _record(turn, result)
    newer = open_turns.get(TurnState.ARMED)
    if conversation.owner != Owner.BOT or conversation.owner_fence != work.owner_fence:
        _close(turn, TurnOutcome.SILENT, "taken_over")
    elif newer is not None and not result.has_changed and turn.replaced < MOST_REPLACED:
        newer.replaced = turn.replaced + 1
        _close(turn, TurnOutcome.SUPERSEDED, "")
    else:
        _answer(session, turn, result)
        if newer is not None and _has_answered(turn, newer):
            _close(newer, TurnOutcome.SUPERSEDED, "")
    if newer is not None and newer.state == TurnState.ARMED:
        ring_at(session, work.conversation_id, newer.due_at - repository.database_now(session))
    faultpoint("turn_before_commit")
    return TurnOutcome(str(turn.outcome))


def _has_answered(turn: Turn, newer: Turn) -> bool:
    """Return whether the answer covers the newer turn as well: a turn that began again, because its
    worker died, has read what came in between."""
    if turn.reply_id is None or len(newer.message_ids) >= repository.MOST_MESSAGES:
        return False  # a turn does not record more messages than that
    return set(newer.message_ids) <= set(turn.message_ids)


def _answer(session: Session, turn: Turn, result: Result) -> None:
    try:
        with session.begin_nested():
            for text in result.texts:
                queued = messages.queue_message(session, _order(turn, text))
                turn.reply_id = queued.id
    except AppError as error:
        _close(turn, TurnOutcome.SILENT, error.code)
        return
    _close(turn, result.outcome, result.error)
    if result.hand_over_reason is not None:
        conversations.hand_over(session, turn.conversation_id, result.hand_over_reason)


def _order(turn: Turn, text: str) -> messages.Order:
    return messages.Order(
        content=content.text(text),
        conversation_id=turn.conversation_id,
        sender=Sender.BOT,
        priority=Priority.REPLY,
    )


def _record(turn: Turn, result: Result) -> None:
    turn.version, turn.model, turn.cost = result.version, result.model, result.cost
    turn.milliseconds = result.milliseconds
    told = [(call["name"], call["arguments"]) for call in result.calls]
    # What an attempt before this one began stays in the record.
    begun = [call for call in turn.calls if (call["name"], call["arguments"]) not in told]
    turn.calls = [*begun, *result.calls]
    turn.sources = list(result.sources)
    turn.usage = {
        "input": result.usage.input,
        "cached": result.usage.cached,
        "output": result.usage.output,
        "reasoning": result.usage.reasoning,
    }


def _close(turn: Turn, outcome: TurnOutcome, error: str) -> None:
    turn.state = TurnState.FINISHED
    turn.outcome, turn.error = outcome, error
    turn.lease_until = None
    turn.finished_at = func.now()
