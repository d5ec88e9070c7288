"""The default model: fixed rules, so that the same conversation has the same answers."""

import json
from typing import Final

from simulator.openai import sentences
from simulator.openai.arguments import Filled, Source, fill
from simulator.openai.passages import quoted
from simulator.openai.prompt import Ask, Prompt, Reply, Say, Tool, Turn
from simulator.openai.words import (
    actions,
    identifier_words,
    is_greeting,
    is_spanish,
    topics,
    wants_a_person,
    words,
)

HANDOFF: Final = "handoff_to_human"


def think(prompt: Prompt) -> Reply:
    """Return one function call or one text."""
    customer = [turn for turn in prompt.turns if turn.kind == "message" and turn.role == "user"]
    spanish = is_spanish(turn.text for turn in reversed(customer))
    results = _new_results(prompt.turns)
    if results and prompt.choice.mode != "required":
        return _say(prompt, _about(prompt.turns, results, spanish))
    source = Source(_unanswered(prompt.turns), prompt.today)
    tool = _choose(prompt, source.text)
    filled = fill(tool.parameters, source) if tool else Filled({}, ())
    if tool and (not filled.missing or prompt.choice.mode == "required"):
        return Reply((Ask(tool.name, json.dumps(filled.arguments, ensure_ascii=False)),))
    if passage := quoted(prompt.turns, source.text):
        return _say(prompt, passage)
    if tool:
        return _say(prompt, sentences.ask_for(filled.missing, spanish))
    return _say(prompt, _small_talk(source.text, customer, spanish))


def _say(prompt: Prompt, text: str) -> Reply:
    """Return the text; where the request wants JSON, an object of its schema."""
    if prompt.schema is not None:
        schema = prompt.schema or {"properties": {"text": {"type": "string"}}}
        text = json.dumps(fill(schema, Source(text, prompt.today)).arguments, ensure_ascii=False)
    return Reply((Say(text),))


def _new_results(turns: tuple[Turn, ...]) -> list[Turn]:
    """Return the outputs of functions that no message follows."""
    found: list[Turn] = []
    for turn in reversed(turns):
        if turn.kind == "message":
            break
        if turn.kind == "result":
            found.append(turn)
    return found[::-1]


def _unanswered(turns: tuple[Turn, ...]) -> str:
    """Return what the customer wrote since the last answer, and before it if the model only asked
    for what was missing."""
    found: list[str] = []
    for turn in reversed(turns):
        answer = turn.kind == "message" and turn.role == "assistant" and turn.phase != "commentary"
        if answer and not sentences.is_question(turn.text):
            break
        if turn.kind == "message" and turn.role == "user":
            found.append(turn.text)
    return "\n".join(reversed(found))


def _about(turns: tuple[Turn, ...], results: list[Turn], spanish: bool) -> str:
    names = {turn.call_id: turn.name for turn in turns if turn.kind == "call"}
    said = [
        sentences.person_will_come(spanish)
        if names.get(result.call_id) == HANDOFF
        else sentences.from_result(result.text, spanish)
        for result in results
    ]
    return "\n".join(said)


def _choose(prompt: Prompt, text: str) -> Tool | None:
    """Return the function whose words fit the customer's best, or the one that is demanded."""
    tools = prompt.usable_tools
    if wants_a_person(text):
        handoff = next((tool for tool in tools if tool.name == HANDOFF), None)
        if handoff:
            return handoff
    scores = [_score(tool, text) for tool in tools]
    best = max(scores, default=0)
    if best > 0:
        return tools[scores.index(best)]
    return tools[0] if tools and prompt.choice.mode == "required" else None


def _score(tool: Tool, text: str) -> int:
    """Return 0 for another topic. A topic in the name counts more than in the description; the
    action decides between functions of one topic."""
    if tool.name == HANDOFF:
        return 0
    asked, name = words(text), identifier_words(tool.name)
    described = words(tool.description)
    score = 4 * len(topics(asked) & topics(name)) + 2 * len(topics(asked) & topics(described))
    if score == 0:
        return 0
    wanted = actions(asked)
    if "cancel" in wanted:
        wanted = {"cancel"}
    return score + 3 * len(wanted & actions(name)) + _completeness(tool, text)


def _completeness(tool: Tool, text: str) -> int:
    """Prefer a function that needs a number when there is one."""
    needs_number = {"order", "number", "id", "pedido"} & {
        word for name in tool.parameters.get("required") or () for word in identifier_words(name)
    }
    return 1 if needs_number and any(letter.isdigit() for letter in text) else 0


def _small_talk(text: str, customer: list[Turn], spanish: bool) -> str:
    if wants_a_person(text):
        return sentences.no_person(spanish)
    if customer and customer[-1].images and not text.strip():
        return sentences.picture(spanish)
    if is_greeting(text):
        return sentences.greeting(spanish)
    return sentences.echo(text, spanish)
