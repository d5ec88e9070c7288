"""The tools of a bot: its actions on the business's own server, and the hand-over to a person.

The model chooses the tool and its arguments, nothing else. Method and path are the business's, the
customer's identity is ours, and the arguments are checked again by the tool's schema.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import jsonschema
import structlog
from jsonschema import Draft202012Validator, validators
from referencing import Registry

from app.ai.types import Tool, ToolCall, ToolResult
from app.bots.definition import Action, Definition, Effect, Json
from app.bots.loop import CallState, Ending, ToolRun, failure
from app.common.egress import Call, EgressFailed, EgressRefused, Limits, Outgoing, fetch
from app.common.faultpoint import faultpoint
from app.common.wording import storable

log = structlog.get_logger(__name__)

HAND_OVER = "handoff_to_human"
HAND_OVER_TOOL = Tool(
    HAND_OVER,
    "Give the conversation to a person of the business: when the customer asks for one, is angry, "
    "or when you cannot help.",
    {
        "type": "object",
        "properties": {
            "reason": {"type": "string", "description": "Why, in a few words."},
        },
        "required": ["reason"],
        "additionalProperties": False,
    },
)
SECONDS = 10.0
LARGEST_ANSWER = 1_048_576
AGREED = "agreed"
"""The id of the call that the customer has said yes to."""

LONGEST_RECORD = 2_000
"""Characters of a result in the record of a turn."""

MAY_HAVE_CHANGED = frozenset({CallState.BEGUN, CallState.DONE, CallState.UNKNOWN})
"""States of a call that is not made again."""

LEAVES_SEGMENT = re.compile(r"[/\\%\x00-\x1f\x7f]")
PLACEHOLDER = re.compile(r"\{([\w.-]+)\}")


def _ignored(*_: Any) -> tuple[()]:
    return ()


# A pattern of the business could take a worker for minutes on a text of the model's.
_Validator = validators.extend(
    Draft202012Validator, {"pattern": _ignored, "patternProperties": _ignored}
)


@dataclass(frozen=True)
class Contact:
    """Who the customer is, as our own rows say."""

    id: UUID
    phone: str


@dataclass(frozen=True)
class ActionServer:
    base_url: str | None
    key: str | None = field(repr=False)


@dataclass(frozen=True)
class Request:
    """What a call of a tool asks the business's server. `is_write`: it may change something."""

    name: str
    arguments: Json
    outgoing: Outgoing
    is_write: bool


@dataclass(frozen=True)
class Kit:
    """The tools of one turn.

    `earlier` are calls, the oldest first, of which the customer was not told: those of an attempt
    of this turn whose worker died, and of turns that ended without an answer.
    """

    definition: Definition
    server: ActionServer
    contact: Contact
    turn_id: UUID
    earlier: Sequence[Json]
    call: Call
    note: Callable[[Json], bool]
    """(call as a record) → whether the turn is still ours; called before something may change, and
    with what became of it."""
    made: list[Json] = field(default_factory=list)
    """The calls of this attempt that may have changed something."""

    @property
    def tools(self) -> tuple[Tool, ...]:
        own = {tool.name for tool in self.definition.tools}
        return (
            self.definition.tools if HAND_OVER in own else (*self.definition.tools, HAND_OVER_TOOL)
        )

    def run(self, call: ToolCall, arguments: Json) -> ToolRun:
        if call.name == HAND_OVER:
            status = json.dumps({"status": "handed_over"})
            return ToolRun(status, ending=Ending.HANDED_OVER)
        action = self.definition.action_of(call.name)
        if action is not None and action.effect == Effect.CONFIRM:
            return self._confirm(call, arguments)
        return self._run(action, call, arguments)

    def run_agreed(self, agreed: Json) -> tuple[ToolCall, Json, ToolRun]:
        """Make the call that the customer has agreed to; return it with its arguments and what
        became of it."""
        call = ToolCall(AGREED, agreed["name"], json.dumps(agreed["arguments"]))
        action = self.definition.action_of(call.name)
        return call, agreed["arguments"], self._run(action, call, agreed["arguments"])

    def _confirm(self, call: ToolCall, arguments: Json) -> ToolRun:
        """End the turn with a question to the customer, unless the call was made already."""
        if (before := self._begun(call.name, arguments)) is not None:
            return _again(before)
        if self.made:
            return failure(
                CallState.NOT_AVAILABLE,
                "Tell the customer first what was done. Then ask for this, and call it.",
            )
        if problem := self._problem(call.name, arguments):
            return failure(CallState.BAD_ARGUMENTS, problem)
        status = json.dumps({"status": "the customer is asked"})
        return ToolRun(status, CallState.AWAITING_YES, ending=Ending.CONFIRMING)

    def _run(self, action: Action | None, call: ToolCall, arguments: Json) -> ToolRun:
        if action is None or self.server.base_url is None:
            return failure(CallState.NOT_AVAILABLE, "This tool is not available now.")
        if problem := self._problem(call.name, arguments):
            return failure(CallState.BAD_ARGUMENTS, problem)
        try:
            outgoing = self._request(action, arguments)
        except ValueError as error:
            return failure(CallState.BAD_ARGUMENTS, str(error))
        if action.effect == Effect.READ:
            return self.answer(Request(call.name, arguments, outgoing, is_write=False))
        return self._change(call, arguments, outgoing)

    def answer(self, request: Request) -> ToolRun:
        """Make the request of a call at the business's server."""
        return _answer(request.outgoing, self.call, is_write=request.is_write)

    def _problem(self, name: str, arguments: Json) -> str | None:
        """Return why the arguments do not fit the tool's schema."""
        tool = next((tool for tool in self.definition.tools if tool.name == name), None)
        return "There is no such tool." if tool is None else _problem(tool, arguments)

    def _change(self, call: ToolCall, arguments: Json, outgoing: Outgoing) -> ToolRun:
        """Make a call that changes something, unless it was begun before. It is never made
        twice."""
        if (before := self._begun(call.name, arguments)) is not None:
            return _again(before)
        record = {"id": call.id, "name": call.name, "arguments": arguments}
        if not self.note({**record, "state": CallState.BEGUN, "result": ""}):
            return failure(CallState.TURN_LOST, "This turn is over.")
        faultpoint("turn_call_noted")
        done = self.answer(Request(call.name, arguments, outgoing, is_write=True))
        faultpoint("turn_call_made")
        ended = {**record, "state": done.state, "result": storable(done.text)[:LONGEST_RECORD]}
        self.made.append(ended)
        self.note(ended)
        return done

    def made_before(self) -> Iterator[ToolCall | ToolResult]:
        """Return the earlier calls that may have changed something, each with its result, for the
        model to tell the customer of."""
        newest = {json.dumps([each["name"], each["arguments"]]): each for each in self.earlier}
        for number, each in enumerate(newest.values()):
            action = self.definition.action_of(each["name"])
            is_write = action is not None and action.effect != Effect.READ
            if is_write and each["state"] in MAY_HAVE_CHANGED:
                call_id = f"earlier_{number}"
                yield ToolCall(call_id, each["name"], json.dumps(each["arguments"]))
                yield ToolResult(call_id, _again(each).text)

    def _begun(self, name: str, arguments: Json) -> Json | None:
        """Return the newest record of this call, if it may have changed something."""
        for call in reversed([*self.earlier, *self.made]):
            if (call.get("name"), call.get("arguments")) == (name, arguments):
                return call if call.get("state") in MAY_HAVE_CHANGED else None
        return None

    def _request(self, action: Action, arguments: Json) -> Outgoing:
        """Raises ValueError for a path that would leave its place."""
        values = {
            **arguments,
            "contact.id": str(self.contact.id),
            "contact.phone": self.contact.phone,
        }
        path = PLACEHOLDER.sub(lambda found: _segment(_text(values, found[1])), action.path)
        if any(part in {"", ".", ".."} for part in path.split("/")[1:]):
            raise ValueError("A value for the path is empty or not allowed.")
        query = {
            name: filled if isinstance(filled, str) else json.dumps(filled)
            for name, given in action.query.items()
            if (filled := _filled(given, values)) not in (None, "")
        }
        url = f"{self.server.base_url}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "Idempotency-Key": self._key(action, arguments)}
        if self.server.key:
            headers["Authorization"] = f"Bearer {self.server.key}"
        body = None
        if action.body is not None and action.method != "GET":
            body = json.dumps(_filled(action.body, values)).encode()
            headers["Content-Type"] = "application/json"
        return Outgoing(url, action.method, headers, body)

    def _key(self, action: Action, arguments: Json) -> str:
        """Return the idempotency key: the same for the same call of the same turn."""
        told = json.dumps([str(self.turn_id), action.name, arguments], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()


def _again(before: Mapping[str, Any]) -> ToolRun:
    """Return what the model reads of a call that was begun before."""
    if before.get("state") == CallState.DONE:
        return ToolRun(str(before.get("result", "")), has_changed=True)
    return unknown()


def unknown() -> ToolRun:
    """Return a run of which nobody can say whether it was done."""
    text = json.dumps(
        {"status": "unknown", "message": "Nobody can say whether this was done. Do not repeat it."}
    )
    return ToolRun(text, state=CallState.UNKNOWN, has_changed=True)


def _problem(tool: Tool, arguments: dict[str, Any]) -> str | None:
    """Return why the arguments do not fit the tool's schema. References lead nowhere outside."""
    try:
        _Validator(tool.parameters, registry=Registry()).validate(arguments)
    except jsonschema.ValidationError as error:
        return str(error.message)[:300]
    except Exception as error:
        return f"The schema cannot be used: {type(error).__name__}."
    return None


def _segment(value: str) -> str:
    """Return a value as it stands in a path. Raises ValueError for one that a server might read as
    several segments, once it has decoded them."""
    if LEAVES_SEGMENT.search(value):
        raise ValueError("A value for the path may not hold /, \\, % or a control character.")
    return quote(value, safe="")


def _text(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """Return the template with its placeholders filled. One that stands alone keeps its type; if
    the model left its parameter out, the member of the object is left out."""
    if isinstance(template, dict):
        return {
            name: _filled(each, values)
            for name, each in template.items()
            if not _lacks_value(each, values)
        }
    if isinstance(template, list):
        return [_filled(each, values) for each in template]
    if not isinstance(template, str):
        return template
    alone = PLACEHOLDER.fullmatch(template)
    if alone is not None:
        return values.get(alone[1])
    return PLACEHOLDER.sub(lambda found: _text(values, found[1]), template)


def _lacks_value(template: Any, values: Mapping[str, Any]) -> bool:
    """Return whether this is a placeholder alone whose parameter the model left out."""
    alone = PLACEHOLDER.fullmatch(template) if isinstance(template, str) else None
    return alone is not None and alone[1] not in values


def _answer(outgoing: Outgoing, turn: Call, *, is_write: bool) -> ToolRun:
    call = Call(min(SECONDS, max(turn.seconds_left(), 0.0)))
    try:
        answer = fetch(outgoing, Limits(SECONDS, LARGEST_ANSWER), call)
    except EgressRefused as error:
        log.warning("action_refused", reason=str(error))
        return failure(CallState.ADDRESS_REFUSED, "This tool is not available now.")
    except EgressFailed:
        if is_write and call.is_written:
            return unknown()
        return failure(CallState.UNREACHABLE, "The business's server did not answer. Try later.")
    text = answer.body.decode(errors="replace")
    if answer.status >= 500 and is_write:
        return unknown()
    if answer.status >= 300:
        state = CallState.REFUSED if answer.status < 500 else CallState.FAILED
        return ToolRun(json.dumps({"status": answer.status, "answer": text[:2000]}), state)
    return ToolRun(text or json.dumps({"status": "done"}), has_changed=is_write)
