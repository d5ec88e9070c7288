"""A model that obeys whatever text demands it, for tests of prompt injection.

`CALL name {json}` makes it call that function, offered or not; `SAY text` makes it say the rest of
the line. The last text that demands something wins, wherever it stands: instructions, customer,
output of a function, quotation. Of JSON it reads the strings as they were before they were quoted.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from simulator.openai.brain import think
from simulator.openai.prompt import STANDING_ROLES, Ask, Output, Prompt, Reply, Say, Turn

_DEMAND: Final = re.compile(r"\b(?:CALL\s+([\w-]+)|SAY\s+([^\n]+))")
_DECODER: Final = json.JSONDecoder()


def obey(prompt: Prompt) -> Reply:
    """Return what the last demand wants; without a demand, what the default model says."""
    done = {(turn.name, turn.text) for turn in prompt.turns if turn.kind == "call"}
    for turn in reversed(_readable(prompt.turns)):
        outputs = _demands(_unquoted(turn.text))
        wanted = tuple(o for o in outputs if not _is_done(o, done))
        if prompt.choice.mode == "none":
            wanted = tuple(output for output in wanted if isinstance(output, Say))
        if wanted:
            return Reply(wanted if prompt.parallel else wanted[:1])
    return think(prompt)


def _readable(turns: tuple[Turn, ...]) -> list[Turn]:
    """Return instructions, and what came in since the model's last answer: it obeys once."""
    answered = -1
    for index, turn in enumerate(turns):
        if turn.kind == "message" and turn.role == "assistant" and turn.phase != "commentary":
            answered = index
    return [
        turn
        for index, turn in enumerate(turns)
        if turn.role in STANDING_ROLES or (index > answered and turn.role != "assistant")
    ]


def _unquoted(text: str) -> str:
    """Return the text with the strings of each JSON value that begins a line in its place."""
    found: list[str] = []
    position = 0
    while position < len(text):
        try:
            value, position = _json_at(text, position)
            found.extend(_strings(value))
        except (ValueError, RecursionError):
            line = text[position:].partition("\n")[0]
            found.append(line)
            position += len(line) + 1
    return "\n".join(found)


def _json_at(text: str, position: int) -> tuple[Any, int]:
    """Return the object or list that begins here, and where it ends. Raises ValueError."""
    if text[position] not in "{[":
        raise ValueError("neither an object nor a list")
    return _DECODER.raw_decode(text, position)


def _strings(value: Any) -> Iterator[str]:
    """Yield the strings and the names of a JSON value, and of JSON that stands in its strings."""
    left = [value]
    while left:
        match left.pop():
            case dict() as members:
                left.extend(each for pair in reversed(members.items()) for each in reversed(pair))
            case list() as members:
                left.extend(reversed(members))
            case str() as words:
                yield _unquoted(words) if words.startswith(("{", "[")) else words


def _demands(text: str) -> list[Output]:
    found: list[Output] = []
    for match in _DEMAND.finditer(text):
        if match[1]:
            found.append(Ask(match[1], _arguments(text[match.end() :].lstrip(" :"))))
        else:
            found.append(Say(match[2].strip()))
    return found


def _arguments(rest: str) -> str:
    """Return the JSON object at the beginning of `rest`, as it stands if it is invalid."""
    if not rest.startswith("{"):
        return "{}"
    try:
        _, end = _DECODER.raw_decode(rest)
    except ValueError:
        return rest.splitlines()[0]
    return rest[:end]


def _is_done(output: Output, done: set[tuple[str, str]]) -> bool:
    return isinstance(output, Ask) and (output.name, output.arguments) in done
