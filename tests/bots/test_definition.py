"""A definition survives its way to JSON and back, also one of an earlier release."""

import json

import pytest

from app.ai.types import Tool
from app.bots.definition import (
    Action,
    BusinessHours,
    Definition,
    Effect,
    Escalation,
    EscalationKind,
    Span,
    from_json,
    to_json,
)

FULL = Definition(
    openai_model="gpt-6-luna",
    instructions="Sé amable. 👋",
    max_tokens=700,
    temperature=0.5,
    reasoning_effort="low",
    tools=(Tool("find_order", "Finds it.", {"type": "object", "properties": {}}, True),),
    actions=(Action("find_order", "POST", "/orders", {}, {"a": ["{x}"]}, Effect.CONFIRM),),
    history_messages=3,
    debounce_seconds=0,
    keeps_summary=True,
    shows_typing=False,
    shows_disclosure=False,
    disclosure={"es": "x"},
    escalation=Escalation(EscalationKind.PHONE, "+15551234567"),
    handover_keywords=("ayuda",),
    business_hours=BusinessHours("America/Lima", (Span(0, "09:00", "18:00"),)),
    split_messages=True,
)


@pytest.mark.parametrize("definition", [FULL, Definition("gpt-6-luna")])
def test_it_comes_back_from_json_as_it_was(definition: Definition) -> None:
    assert from_json(json.loads(json.dumps(to_json(definition)))) == definition


def test_a_field_that_was_not_stored_has_its_default() -> None:
    assert from_json({"openai_model": "gpt-6-luna"}) == Definition("gpt-6-luna")


def test_a_field_that_is_gone_is_ignored() -> None:
    assert from_json({"openai_model": "m", "former": 1}) == Definition("m")


def test_the_defaults_of_a_definition() -> None:
    made = Definition("gpt-6-luna")
    assert (made.max_tokens, made.temperature, made.reasoning_effort) == (500, None, "none")
    assert (made.debounce_seconds, made.history_messages, made.longest_answer) == (4, 10, 700)
    assert made.shows_typing
    assert made.shows_disclosure
    assert made.keyword_replies_first
    assert not made.split_messages
    assert made.business_hours is None
    assert made.escalation == Escalation(EscalationKind.PEOPLE)
    texts = (made.disclosure, made.handover_text, made.fallback_text, made.out_of_hours_text)
    assert all(set(each) == {"es", "en"} and all(each.values()) for each in texts)


def test_the_disclosure_names_words_that_lead_to_a_person() -> None:
    made = Definition("gpt-6-luna")
    for text in made.disclosure.values():
        assert text.split("*")[1] in made.handover_keywords
