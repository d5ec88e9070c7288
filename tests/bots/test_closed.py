"""A bot outside its business hours: it says so once, and asks no model."""

from typing import Any

from app.bots.definition import HANDOVER, OUT_OF_HOURS
from tests.bots.studio import Studio, saying
from tests.bots.turning import owner_of, rows

QUESTION = "¿Abren hoy?"


def hours(*, is_open: bool, day: int) -> dict[str, Any]:
    """Return business hours in which this day of the week is open or closed."""
    days = [day] if is_open else [each for each in range(7) if each != day]
    return {
        "timezone": "UTC",
        "spans": [{"day": each, "opens": "00:00", "closes": "24:00"} for each in days],
    }


def today(studio: Studio) -> int:
    ((day,),) = rows(studio.conversation, "select extract(isodow from now() at time zone 'UTC')")
    return int(day) - 1


def test_outside_the_hours_it_says_so_once_and_asks_no_model(studio: Studio) -> None:
    studio.change(business_hours=hours(is_open=False, day=today(studio)))
    assert studio.ask(QUESTION) == [OUT_OF_HOURS["es"]]
    assert studio.turn().outcome == "out_of_hours"
    assert studio.ask("¿Hola?") == []
    assert (studio.turn().outcome, studio.turn().error) == ("silent", "out_of_hours")
    assert studio.asked() == []


def test_the_next_time_it_is_closed_it_says_so_again(studio: Studio) -> None:
    studio.change(business_hours=hours(is_open=False, day=today(studio)))
    assert studio.ask(QUESTION) == [OUT_OF_HOURS["es"]]
    rows(
        studio.conversation,
        "update recado.turns set finished_at = date_trunc('day', now()) - interval '1 minute'",
    )
    assert studio.ask(QUESTION) == [OUT_OF_HOURS["es"]]


def test_within_the_hours_the_model_answers(studio: Studio) -> None:
    studio.change(business_hours=hours(is_open=True, day=today(studio)))
    studio.script(saying("Sí."))
    assert studio.ask(QUESTION) == ["Sí."]


def test_outside_the_hours_a_person_can_be_asked_for(studio: Studio) -> None:
    studio.change(business_hours=hours(is_open=False, day=today(studio)))
    assert studio.ask("persona") == [f"{HANDOVER['es']}\n\n{OUT_OF_HOURS['es']}"]
    assert owner_of(studio.conversation) == "human"
