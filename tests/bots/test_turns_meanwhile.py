"""A model thinks for seconds: what happens meanwhile decides whether its answer is still sent."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.bots.studio import HAIRCUT, Studio, calling, saying
from tests.bots.turning import hear, said, told

SLOW = {"seconds": 1.0, "next": 1}


def meanwhile(studio: Studio, act: Callable[[], object]) -> None:
    """Run the turn, and act while its model thinks."""
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(studio.run)
        studio.wait_until_it_thinks()
        act()
        running.result(20)


def write_as_person(studio: Studio) -> None:
    answer = studio.api.post(
        "/api/send",
        {"conversation_id": str(studio.conversation.id), "body": "Soy Ana, le ayudo yo."},
    )
    assert answer.status_code == 202, answer.text


def test_a_person_who_takes_over_silences_it(studio: Studio) -> None:
    studio.script(saying("too late", **SLOW))
    hear(studio.conversation, "¿Abren hoy?")
    path = f"/api/whatsapp/conversations/{studio.conversation.id}/take-over"
    meanwhile(studio, lambda: studio.api.post(path, {"reason": "VIP"}))
    assert said(studio.conversation) == []
    assert told(studio.conversation) == [("finished", "silent", "taken_over")]


def test_a_person_who_writes_silences_it(studio: Studio) -> None:
    studio.script(saying("too late", **SLOW))
    hear(studio.conversation, "¿Abren hoy?")
    meanwhile(studio, lambda: write_as_person(studio))
    assert said(studio.conversation) == []
    assert told(studio.conversation) == [("finished", "silent", "taken_over")]


def test_a_newer_message_is_answered_with_the_first(studio: Studio) -> None:
    studio.script(saying("an answer to half of it", **SLOW), saying("to both"))
    hear(studio.conversation, "¿Abren hoy?")
    meanwhile(studio, lambda: hear(studio.conversation, "¿Y mañana?"))
    assert said(studio.conversation) == []
    studio.run()
    assert said(studio.conversation) == ["to both"]
    asked = [each["content"] for each in studio.asked()[-1]["input"][:-1]]
    assert asked == ["¿Abren hoy?", "¿Y mañana?"]
    assert [outcome for _, outcome, _ in told(studio.conversation)] == ["superseded", "answered"]


def test_a_newer_message_stops_the_tools(studio: Studio) -> None:
    studio.script(calling("book_appointment", HAIRCUT, seconds=1.0), saying("ok"))
    hear(studio.conversation, "Quiero una cita")
    meanwhile(studio, lambda: hear(studio.conversation, "No, mejor no"))
    assert studio.booked() == []
    studio.run()
    assert said(studio.conversation) == ["ok"]


def test_what_was_changed_is_told_before_the_newer_message_is_answered(studio: Studio) -> None:
    studio.script(
        calling("book_appointment", HAIRCUT), saying("Booked.", **SLOW), saying("You are welcome.")
    )
    hear(studio.conversation, "Quiero una cita")
    meanwhile(studio, lambda: hear(studio.conversation, "gracias"))
    assert said(studio.conversation) == ["Booked."]
    studio.run()
    assert said(studio.conversation) == ["Booked.", "You are welcome."]


def test_a_customer_who_never_stops_gets_the_models_answer(studio: Studio) -> None:
    studio.script(saying("replaced", seconds=1.0, next=2), saying("at last", seconds=1.0))
    hear(studio.conversation, "uno")
    for word in ("dos", "tres", "cuatro"):
        meanwhile(studio, lambda word=word: hear(studio.conversation, word))  # type: ignore[misc]
    assert said(studio.conversation) == ["at last"]
