"""What a customer gets in a turn: the model's answer, or a text of the business."""

from dataclasses import replace

from app.bots import confirming, formatting, loop
from app.bots.definition import Definition, EscalationKind, Texts
from app.bots.errors import BudgetReached
from app.bots.facts import Facts
from app.bots.limits import WhenReached
from app.bots.loop import Ending
from app.bots.turns import Result
from app.common.wording import storable
from app.models import TurnOutcome

LONGEST_BUBBLE = 1500
"""Every provider sends a text of this length."""


def said(turn: loop.Turn, definition: Definition, facts: Facts) -> Result:
    """Return what the customer gets of a conversation with the model that has ended."""
    if turn.ending is Ending.HANDED_OVER:
        return handed_over(definition, facts, _reason(turn))
    if turn.ending is Ending.CONFIRMING:
        return Result((_asked(turn, definition, facts),), TurnOutcome.ANSWERED)
    if turn.ending is Ending.ANSWERED:
        return Result(_texts(turn.text, definition, facts), TurnOutcome.ANSWERED)
    return fallen_back(definition, facts, turn.error or str(turn.ending))


def _asked(turn: loop.Turn, definition: Definition, facts: Facts) -> str:
    """Return the question whether the last call is to be made."""
    call = turn.calls[-1]
    action = definition.action_of(call.name)
    if action is None or isinstance(call.arguments, str):
        raise AssertionError("only a call of an action is confirmed")
    return storable(confirming.question(action, call.arguments, facts.language[:2]))


def _reason(turn: loop.Turn) -> str:
    arguments = turn.calls[-1].arguments if turn.calls else {}
    reason = arguments.get("reason") if isinstance(arguments, dict) else None
    return storable(str(reason or "the bot asked for a person"))[:500]


def handed_over(definition: Definition, facts: Facts, reason: str) -> Result:
    """Tell the customer who answers from now on. Where people do not answer in the chat, the bot
    says how to reach them, and stays."""
    text = _in_language(definition.handover_text, facts.language)
    escalation = definition.escalation
    if escalation.kind is not EscalationKind.PEOPLE:
        return Result((f"{text}\n{escalation.value}",), TurnOutcome.HANDED_OVER)
    if facts.is_closed:
        text = f"{text}\n\n{_in_language(definition.out_of_hours_text, facts.language)}"
    return Result((text,), TurnOutcome.HANDED_OVER, hand_over_reason=reason)


def closed(definition: Definition, facts: Facts) -> Result:
    """Say once, from each closing to the next opening, that nobody answers now."""
    if facts.said_closed:
        return Result((), TurnOutcome.SILENT, "out_of_hours")
    text = _in_language(definition.out_of_hours_text, facts.language)
    return Result((text,), TurnOutcome.OUT_OF_HOURS)


def fallen_back(definition: Definition, facts: Facts, error: str) -> Result:
    if facts.fell_back_lately:
        return Result((), TurnOutcome.SILENT, error)
    text = _in_language(definition.fallback_text, facts.language)
    return Result((text,), TurnOutcome.FELL_BACK, error)


def over_budget(definition: Definition, facts: Facts) -> Result:
    if facts.account.when_reached is WhenReached.HAND_OVER:
        return replace(
            handed_over(definition, facts, "the budget is used up"), error=BudgetReached.code
        )
    return fallen_back(definition, facts, BudgetReached.code)


def _texts(text: str, definition: Definition, facts: Facts) -> tuple[str, ...]:
    """Return the messages to send. At the beginning the customer is told that this is a machine."""
    shown = formatting.to_whatsapp(text)
    if definition.shows_disclosure and not facts.has_disclosed:
        disclosure = _in_language(definition.disclosure, facts.language)
        shown = f"{shown}\n\n{disclosure}"
    longest = 4096 if not definition.split_messages else definition.longest_answer
    return tuple(formatting.split(shown, min(longest, LONGEST_BUBBLE)))


def _in_language(texts: Texts, language: str) -> str:
    return texts.get(language[:2]) or texts.get("es") or next(iter(texts.values()), "")
