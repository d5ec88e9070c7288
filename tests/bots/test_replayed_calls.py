"""Calls of tools in a replay: each is answered from the record of its turn, and none is made."""

from tests.bots.replaying import ORDER, new_version, replay
from tests.bots.studio import ACTIONS, BOOK, HAIRCUT, Studio, calling, saying, tool_results
from tests.bots.turning import rows

NOT_RECORDED = '{"status": "not_recorded"}'


def test_another_call_is_named_and_not_made(studio: Studio) -> None:
    studio.script(ORDER, saying("Ya va."))
    studio.ask("¿Dónde está mi pedido 1042?")
    other = calling("find_order", {"number": "1043"})
    studio.script(other, calling("book_appointment", HAIRCUT), saying("Ya va."))
    (item,) = replay(studio)["items"]
    assert item["differences"] == ["calls", "new_call"]
    assert [(each["name"], each["state"]) for each in item["now"]["calls"]] == [
        ("find_order", "not_recorded"),
        ("book_appointment", "not_recorded"),
    ]
    assert tool_results(studio.asked()[-1]) == [NOT_RECORDED, NOT_RECORDED]
    assert studio.booked() == []


def test_a_call_that_is_left_out_is_named(studio: Studio) -> None:
    studio.script(ORDER, saying("Ya va."))
    studio.ask("¿Dónde está mi pedido 1042?")
    studio.script(saying("Ya va."))
    (item,) = replay(studio)["items"]
    assert (item["differences"], item["now"]["calls"]) == (["calls"], [])


def test_a_change_is_answered_from_the_record(studio: Studio) -> None:
    studio.script(calling("book_appointment", HAIRCUT), saying("Listo."))
    studio.ask("Quiero cortarme el pelo")
    assert studio.booked() == ["Haircut"]
    twice = calling("book_appointment", HAIRCUT)
    studio.script(twice, twice, saying("Listo."))
    (item,) = replay(studio)["items"]
    assert [each["state"] for each in item["now"]["calls"]] == ["done", "done"]
    assert item["differences"] == ["calls"]
    assert studio.booked() == ["Haircut"]


def test_repeated_calls_get_their_results_in_order(studio: Studio) -> None:
    studio.disturb({"fault": "throttle", "next": 1})
    studio.script(ORDER, ORDER, saying("Ya va."))
    studio.ask("¿Dónde está mi pedido 1042?")
    studio.script(ORDER, ORDER, ORDER, saying("Ya va."))
    (item,) = replay(studio)["items"]
    was, now = ([each["result"] for each in item[name]["calls"]] for name in ("was", "now"))
    assert len(set(was)) == 2
    assert now == [*was, was[-1]]


def test_a_result_that_nobody_knows_stays_unknown(studio: Studio) -> None:
    studio.disturb({"fault": "fail_after", "next": 1})
    studio.script(calling("book_appointment", HAIRCUT), saying("No lo sé."))
    studio.ask("Quiero cortarme el pelo")
    studio.script(calling("book_appointment", HAIRCUT), saying("No lo sé."))
    (item,) = replay(studio)["items"]
    assert item["now"]["calls"] == item["was"]["calls"]
    assert item["now"]["calls"][0]["state"] == "unknown"
    assert item["differences"] == []


def test_a_version_without_the_function_cannot_call_it(studio: Studio) -> None:
    studio.script(ORDER, saying("Ya va."))
    studio.ask("¿Dónde está mi pedido 1042?")
    version = new_version(studio, assistant_functions=[BOOK], horizon_actions=ACTIONS[1:])
    studio.script(ORDER, saying("No puedo."))
    (item,) = replay(studio, version=version)["items"]
    assert item["now"]["calls"][0]["state"] == "no_such_tool"
    assert item["differences"] == ["text", "calls"]


def confirming(studio: Studio) -> int:
    actions = [ACTIONS[0], {**ACTIONS[1], "effect": "confirm"}]
    return new_version(studio, horizon_actions=actions)


def test_a_version_that_asks_the_customer_first_differs(studio: Studio) -> None:
    studio.script(calling("book_appointment", HAIRCUT), saying("Listo."))
    studio.ask("Quiero cortarme el pelo")
    version = confirming(studio)
    studio.script(calling("book_appointment", HAIRCUT))
    (item,) = replay(studio, version=version)["items"]
    assert item["now"]["calls"][0]["state"] == "awaiting_yes"
    assert "sí" in item["now"]["text"]
    assert item["differences"] == ["text"]


def test_what_the_customer_agreed_to_is_answered_from_the_record(studio: Studio) -> None:
    version = confirming(studio)
    studio.script(calling("book_appointment", HAIRCUT))
    studio.ask("Quiero cortarme el pelo")
    studio.script(saying("Reservado."))
    studio.ask("sí")
    assert studio.booked() == ["Haircut"]
    studio.script(saying("Reservado."))
    (item,) = replay(studio, version=version)["items"]
    assert item["differences"] == []
    assert item["now"]["calls"][0]["state"] == "done"
    assert "AP-" in tool_results(studio.asked()[-1])[0]
    studio.script(calling("book_appointment", HAIRCUT))
    first = rows(studio.conversation, "select id from recado.turns order by id limit 1")[0][0]
    (item,) = replay(studio, version=version, turns=[str(first)])["items"]
    assert item["differences"] == []


def an_hour_passes(studio: Studio) -> None:
    for table, names in (("turns", ("started_at", "finished_at")), ("messages", ("created_at",))):
        moved = ", ".join(f"{name} = {name} - interval '1 hour'" for name in names)
        rows(studio.conversation, f"update recado.{table} set {moved}")


def test_what_an_unanswered_turn_did_is_remembered(studio: Studio) -> None:
    studio.script(calling("book_appointment", HAIRCUT), {"do": "error", "status": 400})
    studio.ask("Quiero cortarme el pelo")
    studio.script(saying("Listo."))
    studio.ask("¿Y?")
    asked = studio.asked()[-1]
    an_hour_passes(studio)
    studio.script(saying("Listo."))
    assert replay(studio)["items"][0]["differences"] == []
    assert tool_results(studio.asked()[-1]) == tool_results(asked)
    assert len(tool_results(asked)) == 1
    studio.script(saying("Hola."))
    first = rows(studio.conversation, "select id from recado.turns order by id limit 1")[0][0]
    replay(studio, turns=[str(first)])
    assert tool_results(studio.asked()[-1]) == []
