"""Actions that a customer has to agree to."""

from datetime import timedelta
from typing import Any

import pytest

from app.bots import confirming
from app.bots.definition import Action, Effect
from app.common import clock
from app.common.faultpoint import VARIABLE, InjectedFault
from tests.bots.bodies import ACTION, FUNCTION, post, reasons
from tests.bots.studio import BOOK, HAIRCUT, Studio, calling, saying, tool_results
from tests.bots.turning import hear, rows, said
from tests.factories import ApiClient

CONFIRMED = {
    "name": "book_appointment",
    "method": "POST",
    "path": "/appointments",
    "body": {"phone": "{contact.phone}", "service": "{service}", "starts_at": "{starts_at}"},
    "effect": "confirm",
    "confirmation": {"es": "¿Reservo *{service}* para {starts_at}?", "en": "Shall I?"},
}
QUESTION = (
    "¿Reservo *Haircut* para 2027-01-20T15:00:00Z?\n\n"
    "Responde *sí* para confirmarlo. Con otra respuesta no se hace."
)


@pytest.fixture
def shop(studio: Studio) -> Studio:
    """A bot that books after a yes, and whose model wants to book when it is asked."""
    studio.change(assistant_functions=[BOOK], horizon_actions=[CONFIRMED])
    studio.script(calling("book_appointment", HAIRCUT), saying("Quedó reservado."))
    return studio


def test_the_customer_is_asked_in_our_words_and_nothing_is_called(shop: Studio) -> None:
    assert shop.ask("Quiero una cita") == [QUESTION]
    assert shop.called("POST") == []
    assert [(call["name"], call["state"]) for call in shop.turn().calls] == [
        ("book_appointment", "awaiting_yes")
    ]


@pytest.mark.parametrize("yes", ["Sí", "si, por favor", "YES!", "Confirmo. Gracias", "de acuerdo"])
def test_after_a_yes_it_is_called_and_the_model_tells_of_it(shop: Studio, yes: str) -> None:
    shop.ask("Quiero una cita")
    assert shop.ask(yes) == ["Quedó reservado."]
    assert shop.booked() == ["Haircut"]
    assert '"status": "booked"' in tool_results(shop.asked()[-1])[0]
    assert [call["state"] for call in shop.turn().calls] == ["done"]


@pytest.mark.parametrize(
    "answer", ["no", "sí pero mañana", "¿sí?  ¿cuánto cuesta?", "ok", "", "si si no", "👍"]
)
def test_without_a_clear_yes_nothing_is_called(shop: Studio, answer: str) -> None:
    shop.ask("Quiero una cita")
    shop.ask(answer)
    assert shop.booked() == []


def test_a_yes_to_what_was_forgotten_calls_nothing(shop: Studio) -> None:
    shop.ask("Quiero una cita")
    assert shop.api.delete(f"/bots/clients/{shop.phone}").status_code == 204
    shop.ask("sí")
    assert shop.booked() == []


def test_two_messages_must_both_say_yes(shop: Studio) -> None:
    shop.ask("Quiero una cita")
    hear(shop.conversation, "sí")
    shop.ask("espera, no")
    assert shop.booked() == []


def test_a_yes_counts_once(shop: Studio) -> None:
    shop.ask("Quiero una cita")
    shop.ask("sí")
    shop.ask("sí")
    assert shop.booked() == ["Haircut"]


def test_a_yes_that_was_written_before_the_question_is_none(shop: Studio) -> None:
    shop.ask("Quiero una cita")
    hear(shop.conversation, "sí", created_at=clock.now() - timedelta(minutes=1))
    shop.run()
    assert shop.booked() == []


def test_a_yes_comes_too_late_after_ten_minutes(shop: Studio) -> None:
    shop.ask("Quiero una cita")
    rows(
        shop.conversation,
        "update recado.turns set finished_at = finished_at - interval '11 minutes'",
    )
    shop.ask("sí")
    assert shop.booked() == []


def test_a_yes_to_something_that_was_said_since_is_none(shop: Studio) -> None:
    shop.ask("Quiero una cita")
    shop.script(saying("Cuesta 20. ¿Algo más?"))
    shop.ask("¿Cuánto cuesta?")
    shop.ask("sí")
    assert shop.booked() == []


def test_a_yes_without_a_question_is_a_message_as_any(shop: Studio) -> None:
    assert shop.ask("sí") == [QUESTION]
    assert shop.booked() == []


def test_a_model_that_asks_for_it_again_in_the_same_turn_gets_the_result(shop: Studio) -> None:
    shop.ask("Quiero una cita")
    shop.script(calling("book_appointment", HAIRCUT), saying("Listo."))
    assert shop.ask("sí") == ["Listo."]
    assert shop.booked() == ["Haircut"]


def test_other_arguments_need_another_yes(shop: Studio) -> None:
    shop.ask("Quiero una cita")
    other = {**HAIRCUT, "service": "Massage"}
    shop.script(calling("book_appointment", other), saying("Listo."))
    assert shop.ask("sí") == ["Listo."]
    assert shop.booked() == ["Haircut"]


def test_a_function_that_was_taken_from_the_bot_meanwhile_is_not_called(shop: Studio) -> None:
    shop.ask("Quiero una cita")
    shop.change(assistant_functions=[], horizon_actions=[])
    shop.script(saying("No puedo."))
    assert shop.ask("sí") == ["No puedo."]
    assert shop.booked() == []


def test_a_worker_that_dies_after_the_call_makes_it_once(
    shop: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.ask("Quiero una cita")
    hear(shop.conversation, "sí")
    monkeypatch.setenv(VARIABLE, "turn_call_made=error")
    with pytest.raises(InjectedFault):
        shop.run()
    monkeypatch.delenv(VARIABLE)
    shop.lose_worker()
    shop.run()
    assert shop.booked() == ["Haircut"]
    assert said(shop.conversation)[-1] == "Quedó reservado."


@pytest.mark.parametrize(
    ("confirmation", "language", "wanted"),
    [
        ({}, "en", "This is what I will do: *cancel order*\norder id: 10 42\nnote: hi\n\n"),
        ({"es": "¿Cancelo {order_id}?"}, "en", "¿Cancelo 10 42?\n\n"),
        ({"en": "Cancel {order_id}{note}{other}?"}, "pt", "Cancel 10 42hi?\n\n"),
    ],
)
def test_the_question_shows_values_as_plain_text(
    confirmation: dict[str, str], language: str, wanted: str
) -> None:
    action = Action(
        "cancel_order", "DELETE", "/x", effect=Effect.CONFIRM, confirmation=confirmation
    )
    asked = confirming.question(action, {"order_id": "10\n*42*", "note": "hi"}, language)
    assert asked.startswith(wanted)


@pytest.mark.parametrize(
    ("action", "field"),
    [
        ({"confirmation": {"es": "¿Seguro?"}}, "horizon_actions.0.confirmation"),
        (
            {"effect": "confirm", "confirmation": {"es": "¿{nobody}?"}},
            "horizon_actions.0.confirmation",
        ),
        ({"effect": "confirm", "confirmation": {}}, "horizon_actions.0.confirmation._schema"),
    ],
)
def test_a_confirmation_that_cannot_be_asked_is_refused(
    signed_in: ApiClient, action: dict[str, Any], field: str
) -> None:
    given = {**ACTION, **action}
    answer = post(signed_in, assistant_functions=[FUNCTION], horizon_actions=[given])
    assert list(reasons(answer)) == [field]
