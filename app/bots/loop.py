"""One turn of a bot: the model is asked, its tools are run, until there is an answer.

It knows no database. The caller gives it the way to ask, the tools, and what to check in between.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

from app.ai.catalogue import Usage
from app.ai.types import (
    Item,
    Outcome,
    Question,
    Replied,
    Reply,
    Tool,
    ToolCall,
    ToolResult,
)
from app.bots import tool_arguments

MOST_ROUNDS = 5
"""Rounds of tools. After them the model is asked once more, without tools."""

MOST_CALLS = 10
"""Calls of tools in one turn."""

LONGEST_ARGUMENTS = 16_000
LONGEST_RESULT = 8_000
"""Characters of a tool's result that the model reads."""


class Ending(StrEnum):
    """CONFIRMING: the customer has to agree to a call. REFUSED: the model declined. EMPTY: it said
    nothing. STOPPED: the caller's check ended it."""

    ANSWERED = "answered"
    HANDED_OVER = "handed_over"
    CONFIRMING = "confirming"
    REFUSED = "refused"
    EMPTY = "empty"
    STOPPED = "stopped"


class CallState(StrEnum):
    """What became of a call of a tool. BEGUN: its worker died. UNKNOWN: nobody can say whether it
    was done. AWAITING_YES: the customer was asked. REFUSED, FAILED, UNREACHABLE, ADDRESS_REFUSED:
    by the server, or on the way to it. NOT_RECORDED: a replay, which makes no calls."""

    DONE = "done"
    BEGUN = "begun"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    FAILED = "failed"
    UNREACHABLE = "unreachable"
    ADDRESS_REFUSED = "address_refused"
    BAD_ARGUMENTS = "bad_arguments"
    NO_SUCH_TOOL = "no_such_tool"
    NOT_AVAILABLE = "not_available"
    AWAITING_YES = "awaiting_yes"
    TOO_MANY_CALLS = "too_many_calls"
    TURN_LOST = "turn_lost"
    NOT_RECORDED = "not_recorded"


@dataclass(frozen=True)
class ToolRun:
    """What became of one call of a tool. `text` goes to the model. With an `ending`, the turn ends
    here. `has_changed`: something outside may be different now."""

    text: str
    state: CallState = CallState.DONE
    has_changed: bool = False
    ending: Ending | None = None


class Tools(Protocol):
    @property
    def tools(self) -> tuple[Tool, ...]: ...

    def run(self, call: ToolCall, arguments: dict[str, Any]) -> ToolRun: ...


@dataclass(frozen=True)
class Called:
    """A call of a tool, for the record of the turn."""

    id: str
    name: str
    arguments: dict[str, Any] | str
    state: CallState
    result: str


@dataclass
class Turn:
    """The course of a turn so far; complete once `ending` is set."""

    calls: list[Called] = field(default_factory=list)
    usage: Usage = field(default_factory=Usage)
    response_ids: list[str] = field(default_factory=list)
    request_ids: list[str] = field(default_factory=list)
    has_changed: bool = False
    ending: Ending | None = None
    text: str = ""
    error: str = ""


def run(
    turn: Turn,
    question: Question,
    tools: Tools,
    ask: Callable[[Question], Reply],
    may_go_on: Callable[[Turn], bool],
) -> None:
    """Ask the model until it answers, and write the course into `turn`.

    `may_go_on` is asked before each call of the model and before each tool; when it returns False,
    the turn ends as STOPPED. Raises what `ask` raises; `turn` then holds what happened before.
    """
    items: tuple[Item, ...] = question.items
    for number in range(MOST_ROUNDS + 1):
        if not may_go_on(turn):
            turn.ending = Ending.STOPPED
            return
        may_call = number < MOST_ROUNDS and len(turn.calls) < MOST_CALLS
        reply = ask(replace(question, items=items, may_call_tools=may_call))
        _count(turn, reply)
        if not (reply.tool_calls and may_call):
            _end(turn, reply)
            return
        results = _run_tools(turn, reply.tool_calls, tools, may_go_on)
        if turn.ending is not None:
            turn.text = reply.text
            return
        items = (*items, Replied(reply.items), *results)
    _end(turn, reply)


def _count(turn: Turn, reply: Reply) -> None:
    turn.usage += reply.usage or Usage()
    turn.response_ids += [reply.response_id] if reply.response_id else []
    turn.request_ids += [reply.request_id] if reply.request_id else []


def _end(turn: Turn, reply: Reply) -> None:
    turn.error = reply.error
    turn.text = reply.text
    if reply.refusal is not None:
        turn.ending, turn.error = Ending.REFUSED, "refused"
    elif reply.outcome in (Outcome.FILTERED, Outcome.FAILED) or not reply.text:
        turn.ending = Ending.EMPTY
    else:
        turn.ending = Ending.ANSWERED
        if reply.outcome is Outcome.CUT:
            turn.text = whole_sentences(reply.text)


def whole_sentences(text: str) -> str:
    """Return a text that was cut off, up to its last whole sentence, if that is most of it."""
    end = max(text.rfind(mark) for mark in (". ", "! ", "? ", ".\n", "!\n", "?\n"))
    return text[: end + 1] if end >= len(text) // 2 else f"{text} …"


def _run_tools(
    turn: Turn,
    calls: tuple[ToolCall, ...],
    tools: Tools,
    may_go_on: Callable[[Turn], bool],
) -> list[ToolResult]:
    """Run the calls in order. Every call gets a result: without one the model's next request is
    refused."""
    results: list[ToolResult] = []
    for call in calls:
        if turn.ending is None and not may_go_on(turn):
            turn.ending = Ending.STOPPED
        if turn.ending is not None:
            return results
        arguments, done = _run_tool(turn, call, tools)
        turn.calls.append(Called(call.id, call.name, arguments, done.state, done.text))
        turn.has_changed = turn.has_changed or done.has_changed
        turn.ending = done.ending
        results.append(ToolResult(call.id, done.text[:LONGEST_RESULT]))
    return results


def _run_tool(turn: Turn, call: ToolCall, tools: Tools) -> tuple[dict[str, Any] | str, ToolRun]:
    if len(call.arguments) > LONGEST_ARGUMENTS:
        reason = f"The arguments have more than {LONGEST_ARGUMENTS} characters."
        return call.arguments[:100], failure(CallState.BAD_ARGUMENTS, reason)
    if len(turn.calls) >= MOST_CALLS:
        return call.arguments, failure(CallState.TOO_MANY_CALLS, "No more tools can be called now.")
    if call.name not in {tool.name for tool in tools.tools}:
        return call.arguments, failure(CallState.NO_SUCH_TOOL, "There is no such tool.")
    arguments = tool_arguments.read(call.arguments or "{}")
    if arguments is None:
        return call.arguments, failure(
            CallState.BAD_ARGUMENTS, "The arguments are not a JSON object."
        )
    return arguments, tools.run(call, arguments)


def failure(code: CallState, text: str) -> ToolRun:
    """Return a run that did nothing, and tells the model why."""
    return ToolRun(json.dumps({"error": code, "message": text}), state=code)
