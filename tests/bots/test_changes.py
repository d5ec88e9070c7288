"""Actions that change something: never made twice, and told as unknown where nobody can say."""

from typing import Any

import pytest

from app.bots import actions
from app.common.faultpoint import VARIABLE, InjectedFault
from tests.bots.studio import HAIRCUT, Studio, calling, saying, tool_results
from tests.bots.turning import hear, rows, said, take_over

BOOK_IT: dict[str, Any] = {
    "do": "calls",
    "calls": [{"name": "book_appointment", "arguments": HAIRCUT}],
}
QUESTION = "Quiero una cita"


def test_it_is_made_with_a_key_that_a_repeat_would_have(studio: Studio) -> None:
    studio.script({**BOOK_IT, "next": 1}, saying("Listo."))
    assert studio.ask(QUESTION) == ["Listo."]
    (call,) = studio.called()
    assert len(call["headers"]["idempotency-key"]) == 64
    assert call["body"] == {**HAIRCUT, "phone": "+15551234567"}
    assert [each["state"] for each in studio.turn().calls] == ["done"]


def test_two_calls_alike_in_one_turn_are_one(studio: Studio) -> None:
    twice = {**BOOK_IT, "calls": BOOK_IT["calls"] * 2, "next": 1}
    studio.script(twice, {**BOOK_IT, "next": 1}, saying("Listo."))
    assert studio.ask(QUESTION) == ["Listo."]
    assert len(studio.called()) == 1
    assert studio.booked() == ["Haircut"]
    results = tool_results(studio.asked()[-1])
    assert len(results) == 3
    assert all('"status": "booked"' in result for result in results)


def test_two_different_calls_are_both_made(studio: Studio) -> None:
    other = {"name": "book_appointment", "arguments": {**HAIRCUT, "service": "Shave"}}
    studio.script({**BOOK_IT, "calls": [*BOOK_IT["calls"], other], "next": 1}, saying("Listo."))
    studio.ask(QUESTION)
    assert studio.booked() == ["Haircut", "Shave"]


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "fail_after"},
        {"fault": "cut_after"},
        {"fault": "hang_after", "seconds": 2},
        {"fault": "huge"},
    ],
)
def test_a_change_whose_answer_is_lost_is_unknown_and_not_repeated(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any]
) -> None:
    monkeypatch.setattr(actions, "SECONDS", 0.5)
    studio.disturb({**fault, "method": "POST"})
    studio.script({**BOOK_IT, "next": 2}, saying("No sé si quedó."))
    assert studio.ask(QUESTION) == ["No sé si quedó."]
    assert studio.booked() == ["Haircut"]
    assert len(studio.called("POST")) == 1
    results = tool_results(studio.asked()[-1])
    assert all('"status": "unknown"' in result for result in results)
    assert [each["state"] for each in studio.turn().calls] == ["unknown", "unknown"]


def test_a_change_that_was_refused_may_be_tried_again(studio: Studio) -> None:
    studio.disturb({"fault": "throttle", "next": 1})
    studio.script({**BOOK_IT, "next": 2}, saying("Listo."))
    studio.ask(QUESTION)
    assert [each["state"] for each in studio.turn().calls] == ["refused", "done"]
    assert studio.booked() == ["Haircut"]


DEATHS = {
    "turn_call_noted": (0, ["unknown"]),
    "turn_call_made": (1, ["unknown"]),
    "turn_thought": (1, ["done"]),
    "turn_before_commit": (1, ["done"]),
}
"""Where the worker dies → how often the business was called, and what the next one reads."""


@pytest.mark.parametrize("point", DEATHS)
def test_another_worker_does_not_repeat_what_a_dead_one_began(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    calls, states = DEATHS[point]
    studio.script({**BOOK_IT, "next": 1}, saying("Listo.", next=1))
    hear(studio.conversation, QUESTION)
    monkeypatch.setenv(VARIABLE, f"{point}=error")
    with pytest.raises(InjectedFault):
        studio.run()
    monkeypatch.delenv(VARIABLE)
    assert said(studio.conversation) == []
    studio.lose_worker()
    studio.script({**BOOK_IT, "next": 1}, saying("Listo."))
    studio.run()
    assert said(studio.conversation) == ["Listo."]
    assert len(studio.called("POST")) == calls
    assert [each["state"] for each in studio.turn().calls] == states
    assert studio.turn().tries == 2


def test_a_record_of_a_dead_worker_stays_when_the_next_one_calls_nothing(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.script({**BOOK_IT, "next": 1})
    hear(studio.conversation, QUESTION)
    monkeypatch.setenv(VARIABLE, "turn_call_made=error")
    with pytest.raises(InjectedFault):
        studio.run()
    monkeypatch.delenv(VARIABLE)
    studio.lose_worker()
    studio.script(saying("Hola."))
    studio.run()
    assert [each["state"] for each in studio.turn().calls] == ["begun"]


def test_what_a_dead_worker_did_is_told_by_the_turn_that_answers_a_newer_message_too(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.script({**BOOK_IT, "next": 1}, saying("Listo."))
    hear(studio.conversation, QUESTION)
    monkeypatch.setenv(VARIABLE, "turn_thought=error")
    with pytest.raises(InjectedFault):
        studio.run()
    monkeypatch.delenv(VARIABLE)
    studio.lose_worker()
    hear(studio.conversation, "¿Hola?")
    studio.run()
    assert studio.booked() == ["Haircut"]
    studio.script({**BOOK_IT, "next": 1}, saying("Ya está."))
    studio.run()
    assert said(studio.conversation) == ["Ya está."]
    assert studio.booked() == ["Haircut"]
    first, _ = studio.asked()[-2:]
    assert '"status": "booked"' in tool_results(first)[0]


def test_what_a_customer_was_not_told_of_is_not_repeated_by_the_next_turn(studio: Studio) -> None:
    studio.script({**BOOK_IT, "next": 1}, {"do": "error", "code": "invalid_prompt"})
    studio.ask(QUESTION)
    assert studio.turn().outcome == "fell_back"
    studio.script({**BOOK_IT, "next": 1}, saying("Ya está."))
    assert studio.ask("¿Hola? Quiero una cita") == ["Ya está."]
    assert studio.booked() == ["Haircut"]
    assert '"status": "booked"' in tool_results(studio.asked()[-1])[0]


def test_what_a_customer_was_told_of_may_be_ordered_again(studio: Studio) -> None:
    for question in (QUESTION, "Otra igual, para mi hijo"):
        studio.script({**BOOK_IT, "next": 1}, saying("Listo."))
        studio.ask(question)
    assert studio.booked() == ["Haircut", "Haircut"]


def test_nothing_is_changed_once_a_person_took_over(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = actions.Kit.run

    def takes_over(*given: Any) -> Any:
        take_over(studio.conversation)
        return asked(*given)

    monkeypatch.setattr(actions.Kit, "run", takes_over)
    look_up = calling("find_order", {"number": "1042"})
    studio.script({**look_up, "calls": [*look_up["calls"], *BOOK_IT["calls"]]})
    assert studio.ask(QUESTION) == []
    assert studio.called("POST") == []
    assert studio.turn().error == "taken_over"


def test_nothing_is_changed_by_a_turn_that_was_lost(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = actions.Kit.run

    def loses(*given: Any) -> Any:
        rows(studio.conversation, "update recado.turns set tries = tries + 1")
        return asked(*given)

    monkeypatch.setattr(actions.Kit, "run", loses)
    studio.script({**BOOK_IT, "next": 1}, saying("Listo."))
    assert studio.ask(QUESTION) == []
    assert studio.booked() == []
