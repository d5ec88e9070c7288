"""The tools of a replay: calls are answered from the record of a turn, and none is made."""

import json
from dataclasses import dataclass, field

from app.bots.actions import ActionServer, Kit, Request, unknown
from app.bots.definition import Json
from app.bots.loop import CallState, ToolRun

NOWHERE = ActionServer("https://replay.invalid", None)
"""Requests are put together, for the same refusals as in a turn, but not made."""

ANSWERS = frozenset(
    {
        CallState.DONE,
        CallState.BEGUN,
        CallState.UNKNOWN,
        CallState.REFUSED,
        CallState.FAILED,
        CallState.UNREACHABLE,
        CallState.ADDRESS_REFUSED,
        CallState.NOT_AVAILABLE,
    }
)
"""States of a call that reached the business's server, or could have. The others are decided
again."""


@dataclass(frozen=True)
class RecordedKit(Kit):
    """`recorded` are the calls of the turn; `missing` gets the names of those that it lacks."""

    recorded: tuple[Json, ...] = ()
    missing: list[str] = field(default_factory=list)
    answered: list[tuple[str, Json]] = field(default_factory=list)

    def answer(self, request: Request) -> ToolRun:
        """Return the recorded result of the same call; repeated calls get the results in their
        order, and then the last one again."""
        found = self._next(request.name, request.arguments)
        if found is None:
            self.missing.append(request.name)
            return ToolRun(json.dumps({"status": "not_recorded"}), CallState.NOT_RECORDED)
        state = CallState(found["state"])
        if state in (CallState.BEGUN, CallState.UNKNOWN):
            return unknown()
        has_changed = request.is_write and state is CallState.DONE
        return ToolRun(found["result"], state, has_changed)

    def _next(self, name: str, arguments: Json) -> Json | None:
        same = [
            each
            for each in self.recorded
            if (each["name"], each["arguments"]) == (name, arguments) and each["state"] in ANSWERS
        ]
        if not same:
            return None
        before = self.answered.count((name, arguments))
        self.answered.append((name, arguments))
        return same[min(before, len(same) - 1)]
