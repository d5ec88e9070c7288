"""Turns that ended, replayed with another version: POST /bots/{id}/replay."""

from dataclasses import replace
from typing import Any

import pytest

from app import config
from app.common.ids import new_id
from app.common.slots import places
from app.models import Role
from tests.bots.replaying import ORDER, new_version, post, replay
from tests.bots.studio import Studio, calling, saying, tool_results
from tests.bots.turning import hear, rows, take_over
from tests.conftest import SignIn
from tests.factories import ApiClient, create_bot, create_conversation, create_turn


def test_the_same_version_asks_the_same_and_differs_in_nothing(studio: Studio) -> None:
    studio.script(saying("Hola.", next=1), ORDER, saying("Está en **camino**."))
    studio.ask("Hola")
    studio.ask("¿Dónde está mi pedido 1042?")
    asked = studio.asked()
    studio.script(ORDER, saying("Está en **camino**."))
    found = replay(studio)
    (item,) = found["items"]
    assert item["differences"] == []
    assert item["was"]["text"] == item["now"]["text"] == "Está en *camino*."
    assert item["was"]["outcome"] == item["now"]["outcome"] == "answered"
    assert item["was"]["calls"] == item["now"]["calls"]
    assert item["was"]["calls"][0]["state"] == "done"
    assert item["was"]["version"] == found["version"] == 1
    assert item["now"]["cost"] > 0
    assert found["summary"] == {
        "turns": 1,
        "same": 1,
        "different": 0,
        "failed": 0,
        "cost": item["now"]["cost"],
    }
    again = studio.asked()[len(asked) :]
    assert again[0]["input"] == asked[-2]["input"]
    assert {**again[0], "input": 0} == {**asked[-2], "input": 0}
    assert tool_results(again[-1]) == tool_results(asked[-1])
    assert "TR-88231" in tool_results(again[-1])[0]


def test_the_instructions_of_the_version_are_used(studio: Studio) -> None:
    studio.script(saying("Sí."))
    studio.ask("¿Abren hoy?")
    version = new_version(studio, instructions="Be brief.", max_tokens=77)
    new_version(studio, instructions="Be long.")
    studio.script(saying("No."))
    found = replay(studio, version=version)
    (item,) = found["items"]
    assert (item["was"]["text"], item["now"]["text"]) == ("Sí.", "No.")
    assert item["differences"] == ["text"]
    assert (found["summary"]["same"], found["summary"]["different"]) == (0, 1)
    asked = studio.asked()[-1]
    assert asked["instructions"].endswith("\n\nBe brief.")
    assert asked["max_output_tokens"] == 77


def test_a_hand_over_is_an_outcome_and_hands_nothing_over(studio: Studio) -> None:
    studio.script(saying("Sí."))
    studio.ask("¿Abren hoy?")
    studio.script(calling("handoff_to_human", {"reason": "angry"}))
    (item,) = replay(studio)["items"]
    assert item["now"]["outcome"] == "handed_over"
    assert item["differences"] == ["text", "calls", "outcome"]


def test_the_keywords_and_the_disclosure_of_the_version_count(studio: Studio) -> None:
    new_version(studio, shows_disclosure=True)
    for number in range(2):
        studio.script(saying(f"Sí, {number}."))
        studio.ask("¿Abren hoy?")
    ids = [str(row.id) for row in rows(studio.conversation, "select id from recado.turns")]
    studio.script(saying("Sí, 0.", next=1), saying("Sí, 1."))
    items = replay(studio, version=2, turns=sorted(ids))["items"]
    assert [item["differences"] for item in items] == [[], []]
    assert "asistente virtual" in items[0]["now"]["text"]
    assert items[1]["now"]["text"] == "Sí, 1."
    version = new_version(studio, handover_keywords=["abren hoy"])
    before = len(studio.asked())
    item = replay(studio, version=version)["items"][0]
    assert (item["now"]["outcome"], item["now"]["usage"]) == ("handed_over", None)
    assert len(studio.asked()) == before


def test_several_messages_are_one_text(studio: Studio) -> None:
    new_version(studio, split_messages=True, longest_answer=100)
    words = "\n\n".join(f"{number} " + "palabra " * 10 for number in range(3))
    studio.script(saying("Hola."))
    studio.ask("Hola")
    studio.script(saying(words))
    assert len(studio.ask("¿Abren hoy?")) == 3
    studio.script(saying(words))
    (item,) = replay(studio, version=2)["items"]
    assert item["differences"] == []
    assert item["was"]["text"].count("\n\n") == 2


def test_turns_come_as_they_were_asked_for(studio: Studio) -> None:
    for number in range(3):
        studio.script(saying(f"Sí, {number}."))
        studio.ask("¿Abren hoy?")
    ids = [str(row.id) for row in rows(studio.conversation, "select id from recado.turns")]
    first, second, third = sorted(ids)
    studio.script(saying("Sí, 1."))
    found = replay(studio, last=2)
    assert [item["turn_id"] for item in found["items"]] == [third, second]
    assert found["summary"] | {"cost": 0} == {
        "turns": 2,
        "same": 1,
        "different": 1,
        "failed": 0,
        "cost": 0,
    }
    found = replay(studio, turns=[second, first])
    assert [item["turn_id"] for item in found["items"]] == [second, first]


def test_a_silent_turn_is_replayed_too(studio: Studio) -> None:
    hear(studio.conversation, "¿Abren hoy?")
    take_over(studio.conversation)
    studio.run()
    turn = studio.turn()
    assert (turn.outcome, turn.error) == ("silent", "taken_over")
    assert replay(studio)["items"] == []
    studio.script(saying("Sí."))
    (item,) = replay(studio, turns=[str(turn.id)])["items"]
    assert (item["was"]["text"], item["was"]["usage"]) == (None, None)
    assert (item["was"]["error"], item["now"]["text"]) == ("taken_over", "Sí.")
    assert item["differences"] == ["text", "outcome"]


def test_a_model_that_fails_once_stops_no_other_turn(studio: Studio) -> None:
    for _ in range(2):
        studio.script(saying("Sí."))
        studio.ask("¿Abren hoy?")
    studio.script({"do": "error", "status": 401, "next": 1}, saying("Sí."))
    found = replay(studio, last=2)
    failed, same = found["items"]
    assert (failed["has_failed"], failed["differences"]) == (True, [])
    assert failed["now"]["error"] == "model_misconfigured"
    assert (same["has_failed"], same["differences"], same["now"]["error"]) == (False, [], None)
    assert found["summary"]["failed"] == found["summary"]["same"] == 1


@pytest.mark.parametrize("gone", ["direction = 'incoming'", "sender = 'bot'"])
def test_messages_that_were_deleted_are_named(studio: Studio, gone: str) -> None:
    studio.script(saying("Sí."))
    studio.ask("¿Abren hoy?")
    rows(studio.conversation, f"delete from recado.messages where {gone}")
    before = len(studio.asked())
    found = replay(studio)
    (item,) = found["items"]
    assert item["now"] == {
        "outcome": None,
        "text": None,
        "calls": [],
        "usage": None,
        "cost": None,
        "error": "messages_gone",
    }
    assert (item["has_failed"], found["summary"]["failed"]) == (True, 1)
    assert found["summary"]["cost"] is None
    assert len(studio.asked()) == before


def test_the_rest_has_no_time(studio: Studio) -> None:
    for _ in range(3):
        studio.script(saying("Sí."))
        studio.ask("¿Abren hoy?")
    config.use(replace(config.current(), model_timeout_seconds=2))
    studio.script(saying("Sí.", seconds=1.3))
    found = replay(studio, last=3)
    assert [item["now"]["error"] for item in found["items"]] == [None, "no_time", "no_time"]
    assert found["summary"]["failed"] == 2


def test_replays_and_tries_share_their_places(studio: Studio) -> None:
    config.use(replace(config.current(), web_threads=8))
    assert places.take(studio.api.tenant_id)
    try:
        answer = post(studio, last=1)
    finally:
        places.give_back(studio.api.tenant_id)
    assert (answer.status_code, answer.json["code"]) == (429, "too_many_tries")
    assert post(studio, last=1).status_code == 200


@pytest.mark.parametrize("version", [2, 2**31, 10**30])
def test_there_is_no_such_version(studio: Studio, version: int) -> None:
    answer = post(studio, version=version, last=1)
    assert (answer.status_code, answer.json["code"]) == (404, "bot_version_not_found")


def test_turns_of_others_are_not_found(studio: Studio, outsider: ApiClient) -> None:
    studio.script(saying("Sí."))
    studio.ask("¿Abren hoy?")
    own = str(studio.turn().id)
    before = len(studio.asked())
    hear(studio.conversation)
    waiting = str(studio.turn().id)
    tenant_id = studio.api.tenant_id
    colleague = create_turn(create_bot(tenant_id), create_conversation(tenant_id))
    for foreign in (str(new_id()), waiting, str(colleague.id)):
        answer = post(studio, turns=[own, foreign])
        assert (answer.status_code, answer.json["code"]) == (404, "turn_not_found")
        assert answer.json["details"]["turns"] == [foreign]
    assert len(studio.asked()) == before
    path = f"/bots/{studio.bot['id']}/replay"
    answer = outsider.post(path, {"version": 1, "turns": [own]})
    assert (answer.status_code, answer.json["code"]) == (404, "bot_not_found")


def test_without_a_key_or_a_model_nothing_is_asked(studio: Studio) -> None:
    own = {"base_url": f"{studio.simulator.base}/own/v1", "api_key": "sk-own"}
    version = new_version(studio, openai_model="ours", model=own)
    new_version(studio, openai_model="gpt-6-luna", model={"base_url": None, "api_key": None})
    assert post(studio, version=version, last=1).json["code"] == "unknown_model"
    config.use(replace(config.current(), openai_api_key=""))
    assert post(studio, last=1).json["code"] == "no_model_key"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"last": 0},
        {"last": 21},
        {"last": "2"},
        {"last": None},
        {"turns": []},
        {"turns": [str(new_id())] * 2},
        {"turns": [str(new_id()) for _ in range(21)]},
        {"turns": ["x"]},
        {"turns": [str(new_id())], "last": 1},
        {"last": 1, "version": 0},
        {"last": 1, "version": "1"},
        {"last": 1, "version": None},
        {"last": 1, "more": 1},
    ],
)
def test_a_request_of_the_wrong_form_is_refused(studio: Studio, fields: dict[str, Any]) -> None:
    assert post(studio, **fields).json["code"] == "validation_error"


@pytest.mark.parametrize(("role", "status"), [(Role.ADMIN, 200), (Role.AGENT, 403)])
def test_who_may_replay(studio: Studio, sign_in: SignIn, role: Role, status: int) -> None:
    path = f"/bots/{studio.bot['id']}/replay"
    assert sign_in(role).post(path, {"version": 1, "last": 1}).status_code == status


def test_a_replay_counts_in_the_budgets(studio: Studio) -> None:
    studio.script(saying("Sí."))
    studio.ask("¿Abren hoy?")
    usage = f"/bots/{studio.bot['id']}/usage"
    before = studio.api.get(usage).json["data"]
    studio.script(saying("Sí."))
    replay(studio)
    after = studio.api.get(usage).json["data"]
    assert after != before


def test_a_full_budget_stops_a_replay(studio: Studio) -> None:
    studio.script(saying("Sí."))
    studio.ask("¿Abren hoy?")
    studio.change(budget={"tokens_per_day": 1})
    asked = len(studio.asked())
    (item,) = post(studio, last=1).json["items"]
    assert (item["has_failed"], item["now"]["error"]) == (True, "budget_reached")
    assert len(studio.asked()) == asked
