"""A bot whose model fails: the customer reads the fallback text, seldom, and never an error."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app import config
from app.bots.definition import FALLBACK, HANDOVER
from app.bots.turns import Result
from tests.bots.studio import MODEL_KEY, Studio, calling, saying
from tests.bots.turning import hear, owner_of, rows, run, said, told
from tests.factories import create_channel

QUESTION = "¿Abren hoy?"
SORRY = FALLBACK["es"]

FAILURES: dict[str, tuple[dict[str, Any], str]] = {
    "busy": ({"do": "rate_limit"}, "model_unavailable"),
    "busy for a minute": ({"do": "rate_limit", "retry_after": 60}, "model_unavailable"),
    "broken": ({"do": "fail_500"}, "model_unavailable"),
    "gone": ({"do": "cut"}, "model_unavailable"),
    "half an answer": ({"do": "malformed"}, "model_unavailable"),
    "no credit": ({"do": "no_quota"}, "model_misconfigured"),
    "wrong key": (
        {"do": "error", "status": 401, "code": "invalid_api_key"},
        "model_misconfigured",
    ),
    "no such model": (
        {"do": "error", "status": 404, "code": "model_not_found"},
        "model_misconfigured",
    ),
    "refused": (
        {"do": "error", "status": 400, "code": "invalid_prompt", "message": "sk-secret"},
        "model_refused",
    ),
    "too long": ({"do": "error", "code": "context_length_exceeded"}, "model_refused"),
    "declined": ({"do": "refusal", "text": "I will not."}, "refused"),
    "failed": ({"do": "failed", "code": "server_error"}, "server_error"),
    "filtered": ({"do": "incomplete", "reason": "content_filter"}, "content_filter"),
    "silent": ({"do": "text", "text": ""}, "empty"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_the_customer_reads_the_fallback(studio: Studio, name: str) -> None:
    rule, error = FAILURES[name]
    studio.script(rule)
    assert studio.ask(QUESTION) == [SORRY]
    turn = studio.turn()
    assert (turn.outcome, turn.error) == ("fell_back", error)
    assert turn.model == "gpt-6-luna"
    assert owner_of(studio.conversation) == "bot"


@pytest.mark.parametrize(
    "rule",
    [
        {"do": "fail_500"},
        {"do": "cut"},
        {"do": "rate_limit", "retry_after": 0.1},
        {"do": "error", "code": "context_length_exceeded"},
    ],
)
def test_what_passes_is_tried_once_more(studio: Studio, rule: dict[str, Any]) -> None:
    studio.script({**rule, "next": 1}, saying("Sí."))
    assert studio.ask(QUESTION) == ["Sí."]
    assert studio.turn().error == ""


def test_a_history_that_is_too_long_is_halved(studio: Studio) -> None:
    studio.script(saying("ok"))
    for number in range(5):
        studio.ask(f"question {number}")
    studio.script({"do": "error", "code": "context_length_exceeded", "next": 1}, saying("ok"))
    studio.ask(QUESTION)
    whole, half = (len(body["input"]) for body in studio.asked()[-2:])
    assert (whole, half) == (12, 7)
    assert studio.asked()[-1]["input"][-2]["content"] == QUESTION


def test_a_slow_model_is_left_after_its_time(studio: Studio) -> None:
    config.use(replace(config.current(), model_timeout_seconds=1))
    studio.script({"do": "hang", "seconds": 5})
    assert studio.ask(QUESTION) == [SORRY]
    assert studio.turn().error == "model_unavailable"


def test_the_fallback_is_sent_once_in_ten_minutes(studio: Studio) -> None:
    studio.script({"do": "fail_500"})
    assert studio.ask(QUESTION) == [SORRY]
    assert studio.ask("¿Hola?") == []
    assert (studio.turn().outcome, studio.turn().error) == ("silent", "model_unavailable")
    rows(
        studio.conversation,
        "update recado.turns set finished_at = now() - interval '10 minutes'",
    )
    assert studio.ask("¿Siguen ahí?") == [SORRY]


def test_a_failure_after_a_tool_keeps_the_record(studio: Studio) -> None:
    studio.script(calling("find_order", {"number": "1042"}), {"do": "no_quota"})
    assert studio.ask("¿Dónde está mi pedido 1042?") == [SORRY]
    turn = studio.turn()
    assert [call["state"] for call in turn.calls] == ["done"]
    assert turn.usage["input"] > 0
    assert turn.cost > 0


def without_key(_: Studio) -> None:
    config.use(replace(config.current(), openai_api_key=""))


def with_a_model_that_is_gone(studio: Studio) -> None:
    rows(
        studio.conversation,
        "update recado.bots set version = 2, latest_version = 2",
    )
    rows(
        studio.conversation,
        "insert into recado.bot_versions (tenant_id, id, bot_id, number, definition, created_by)"
        " select tenant_id, gen_random_uuid(), bot_id, 2,"
        """ jsonb_set(definition, '{openai_model}', '"gpt-0"'), 'Ana' from recado.bot_versions""",
    )


@pytest.mark.parametrize(
    ("ill", "error"),
    [(without_key, "no_model_key"), (with_a_model_that_is_gone, "unknown_model")],
)
def test_a_bot_that_cannot_ask_says_so_and_still_brings_people(
    studio: Studio, ill: Callable[[Studio], None], error: str
) -> None:
    ill(studio)
    assert studio.ask(QUESTION) == [SORRY]
    assert studio.turn().error == error
    assert studio.asked() == []
    assert studio.ask("persona") == [HANDOVER["es"]]
    assert owner_of(studio.conversation) == "human"


def test_a_bot_with_a_key_of_its_own_asks_with_it(studio: Studio) -> None:
    studio.simulator.control("PUT", "/openai/keys/sk-own", {})
    studio.change(model={"api_key": "sk-own"})
    studio.ask(QUESTION)
    assert studio.asked() == []
    items = studio.simulator.control("GET", "/openai/log?key=sk-own")["items"]
    assert len(items) == 1
    assert MODEL_KEY not in str(items)


def delete(studio: Studio) -> None:
    assert studio.api.delete(f"/bots/{studio.bot['id']}").status_code == 204


def disable(studio: Studio) -> None:
    studio.change(is_enabled=False)


def move(studio: Studio) -> None:
    other = create_channel(studio.conversation.tenant_id)
    studio.change(twilio_phone_number=other.phone_number)


@pytest.mark.parametrize(
    ("change", "reason"),
    [(delete, "bot_deleted"), (disable, "bot_disabled"), (move, "bot_moved")],
)
def test_a_bot_that_is_gone_when_its_turn_comes_is_silent(
    studio: Studio, change: Callable[[Studio], None], reason: str
) -> None:
    hear(studio.conversation, QUESTION)
    change(studio)
    studio.run()
    assert said(studio.conversation) == []
    assert told(studio.conversation) == [("finished", "silent", reason)]
    assert studio.asked() == []


def dies(*_: Any) -> Result:
    raise KeyboardInterrupt


def test_a_turn_that_killed_its_workers_ends_with_the_fallback(studio: Studio) -> None:
    hear(studio.conversation, QUESTION)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            run(studio.conversation, dies)
        studio.lose_worker()
    studio.run()
    assert said(studio.conversation) == [SORRY]
    assert studio.turn().error == "worker_died"
    assert studio.asked() == []
