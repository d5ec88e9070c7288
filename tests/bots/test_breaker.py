"""After failures of a model, its tenant's bots do not ask it for a while."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from time import sleep
from typing import Any
from uuid import UUID

import pytest
import redis
from flask import Flask
from sqlalchemy import text

from app import db
from app.ai.errors import AiError, BadQuestion, Canceled, Misconfigured, TooLong, Transient
from app.ai.types import Endpoint
from app.bots import breaker
from app.bots.breaker import FAILURES, PAUSED
from app.bots.definition import FALLBACK
from app.common.egress import Call
from app.common.ids import new_id
from app.extensions import redis_handle
from tests.bots.bodies import path_of
from tests.bots.studio import Studio, saying
from tests.bots.turning import rows
from tests.channels.local_server import closed_port
from tests.factories import ApiClient

ENDPOINT = Endpoint("https://models.example.com/v1", "sk-1")
BUSY = Transient("http_500")
NO_CREDIT = Misconfigured("insufficient_quota")
QUESTION = "¿Abren hoy?"


@pytest.fixture
def tenant_id(app: Flask) -> UUID:
    return new_id()


def enter(tenant_id: UUID, endpoint: Endpoint = ENDPOINT, seconds: float = 30) -> breaker.Passage:
    return breaker.enter(tenant_id, endpoint, "m", Call(seconds))


def fail(tenant_id: UUID, error: AiError = BUSY, times: int = 1, **fields: Any) -> list[bool]:
    return [enter(tenant_id, **fields).failed(error) for _ in range(times)]


def is_open(tenant_id: UUID, endpoint: Endpoint = ENDPOINT) -> bool:
    try:
        enter(tenant_id, endpoint)
    except (Transient, Misconfigured) as error:
        return error.code == PAUSED
    return False


def shorten(monkeypatch: pytest.MonkeyPatch, **names: int) -> None:
    """Set these times, in milliseconds."""
    for name, value in names.items():
        monkeypatch.setattr(breaker, name, timedelta(milliseconds=value))


def test_it_opens_after_some_failures_in_a_row(tenant_id: UUID) -> None:
    fail(tenant_id, times=FAILURES - 1)
    assert not is_open(tenant_id)
    fail(tenant_id)
    with pytest.raises(Transient) as caught:
        enter(tenant_id)
    assert caught.value.retry_after > 5, "nobody waits for it"


def test_a_success_in_between_begins_the_count_again(tenant_id: UUID) -> None:
    for _ in range(3):
        fail(tenant_id, times=FAILURES - 1)
        enter(tenant_id).succeeded()
    assert not is_open(tenant_id)


def test_failures_far_apart_do_not_open_it(
    tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, WINDOW=100)
    fail(tenant_id, times=FAILURES - 1)
    sleep(0.12)
    fail(tenant_id, times=FAILURES - 1)
    assert not is_open(tenant_id)


@pytest.mark.parametrize("error", [BadQuestion("invalid"), TooLong("too_long")])
def test_a_refused_question_shows_that_the_server_is_well(tenant_id: UUID, error: AiError) -> None:
    fail(tenant_id, times=FAILURES - 1)
    fail(tenant_id, error)
    fail(tenant_id)
    assert not is_open(tenant_id)


def test_what_we_ended_ourselves_says_nothing(tenant_id: UUID) -> None:
    fail(tenant_id, Canceled("canceled"), times=FAILURES + 1)
    fail(tenant_id, Transient("unreachable"), times=FAILURES + 1, seconds=2)
    assert not is_open(tenant_id)
    fail(tenant_id, Transient("unreachable"), times=FAILURES, seconds=20)
    assert is_open(tenant_id)


def test_another_tenant_key_server_or_model_is_another_breaker(tenant_id: UUID) -> None:
    fail(tenant_id, times=FAILURES)
    assert is_open(tenant_id)
    assert not is_open(new_id())
    assert not is_open(tenant_id, replace(ENDPOINT, api_key="sk-2"))
    assert not is_open(tenant_id, replace(ENDPOINT, base_url="https://other.example.com"))
    breaker.enter(tenant_id, ENDPOINT, "another model", Call(30))


def test_the_keys_of_redis_hold_no_secret(tenant_id: UUID) -> None:
    assert ENDPOINT.api_key not in breaker.key_of(tenant_id, ENDPOINT, "m")


def test_after_the_pause_one_call_is_let_through(
    tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, PAUSE=150)
    fail(tenant_id, times=FAILURES)
    sleep(0.17)
    with ThreadPoolExecutor(16) as pool:
        opened = list(pool.map(lambda _: is_open(tenant_id), range(16)))
    assert opened.count(False) == 1


def test_a_probe_that_succeeds_closes_it(tenant_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch, PAUSE=50)
    fail(tenant_id, times=FAILURES)
    sleep(0.07)
    enter(tenant_id).succeeded()
    assert not is_open(tenant_id)
    fail(tenant_id, times=FAILURES - 1)
    assert not is_open(tenant_id), "it counts anew"


def test_a_probe_that_fails_doubles_the_pause_up_to_a_limit(
    tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, PAUSE=100, LONGEST_PAUSE=200)
    fail(tenant_id, times=FAILURES)
    for pause in (0.1, 0.2, 0.2):
        sleep(pause * 0.7)
        assert is_open(tenant_id)
        sleep(pause * 0.4)
        fail(tenant_id)


def test_a_probe_whose_worker_died_is_made_again(
    tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, PAUSE=50, PROBE=100)
    fail(tenant_id, times=FAILURES)
    sleep(0.07)
    assert [is_open(tenant_id), is_open(tenant_id)] == [False, True]
    sleep(0.12)
    assert not is_open(tenant_id)


def test_calls_that_began_before_it_opened_change_nothing(
    tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, PAUSE=150)
    begun = [enter(tenant_id) for _ in range(FAILURES + 10)]
    for passage in begun:
        passage.failed(BUSY)
    sleep(0.17)
    assert not is_open(tenant_id), "the pause was not doubled"


def test_a_failure_of_the_configuration_opens_it_at_once_and_is_told_once(
    tenant_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, CONFIGURATION_PAUSE=60)
    begun = [enter(tenant_id) for _ in range(3)]
    assert [passage.failed(NO_CREDIT) for passage in begun] == [True, False, False]
    with pytest.raises(Misconfigured):
        enter(tenant_id)
    sleep(0.08)
    assert fail(tenant_id, NO_CREDIT) == [False], "its probe fails, too"
    sleep(0.14)
    enter(tenant_id).succeeded()
    assert fail(tenant_id, NO_CREDIT) == [True], "it had worked again"


def test_without_redis_it_is_closed(tenant_id: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(tenant_id, times=FAILURES)
    away = redis.Redis.from_url(f"redis://127.0.0.1:{closed_port()}/0")
    with monkeypatch.context() as patch:
        patch.setattr(redis_handle, "client", away)
        assert not is_open(tenant_id)
        assert fail(tenant_id, NO_CREDIT) == [False]
        breaker.close(tenant_id, ENDPOINT, "m")
    assert is_open(tenant_id)


def failed_events(studio: Studio) -> list[Any]:
    with db.tenant_session(studio.conversation.tenant_id) as session:
        query = "select data from recado.events where type = 'bot.model_failed'"
        return list(session.scalars(text(query)))


def forget_fallback(studio: Studio) -> None:
    rows(studio.conversation, "update recado.turns set finished_at = now() - interval '1 hour'")


def test_turns_end_at_once_while_the_model_is_away(studio: Studio) -> None:
    studio.script({"do": "fail_500"})
    for _ in range(3):
        studio.ask(QUESTION)
    assert len(studio.asked()) == FAILURES
    forget_fallback(studio)
    assert studio.ask(QUESTION) == [FALLBACK["es"]]
    assert (studio.turn().error, studio.turn().milliseconds < 200) == ("model_unavailable", True)
    assert len(studio.asked()) == FAILURES
    assert failed_events(studio) == []


def test_a_model_that_came_back_answers_after_the_pause(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch, PAUSE=300)
    studio.script({"do": "fail_500"})
    for _ in range(3):
        studio.ask(QUESTION)
    studio.script(saying("Sí."))
    sleep(0.32)
    assert [studio.ask(QUESTION), studio.ask(QUESTION)] == [["Sí."], ["Sí."]]


def test_the_business_is_told_what_to_do_about_a_model_without_credit(studio: Studio) -> None:
    studio.change(model={"api_key": "sk-own"})
    studio.simulator.control("PUT", "/openai/keys/sk-own", {})
    body = {"key": "sk-own", "rules": [{"do": "no_quota"}]}
    studio.simulator.control("PUT", "/openai/rules", body)
    studio.ask(QUESTION)
    forget_fallback(studio)
    assert studio.ask(QUESTION) == [FALLBACK["es"]]
    assert studio.turn().error == "model_misconfigured"
    (told,) = failed_events(studio)
    assert (told["bot_id"], told["model"]) == (studio.bot["id"], "gpt-6-luna")
    assert told["error"]["code"] == "model_misconfigured"
    assert told["error"]["remedy"] == "The account of the key has no credit left."
    assert told["error"]["provider_code"] == "insufficient_quota"


def test_a_new_key_is_tried_at_once(studio: Studio) -> None:
    studio.script({"do": "error", "status": 401, "code": "invalid_api_key"})
    studio.ask(QUESTION)
    (told,) = failed_events(studio)
    assert "installation" in told["error"]["remedy"]
    studio.simulator.control("PUT", "/openai/keys/sk-own", {})
    studio.change(model={"api_key": "sk-own"})
    assert studio.ask(QUESTION) != []
    assert studio.turn().outcome == "answered"


def test_a_try_that_succeeds_lets_the_bot_answer_again(
    studio: Studio, signed_in: ApiClient
) -> None:
    studio.script({"do": "no_quota"})
    studio.ask(QUESTION)
    tried = signed_in.post(f"{path_of(studio.bot)}/reply", {"message": QUESTION})
    assert tried.json["code"] == "model_misconfigured", "a try asks in any case"
    studio.script(saying("Sí."))
    assert studio.ask(QUESTION) == []
    tried = signed_in.post(f"{path_of(studio.bot)}/reply", {"message": QUESTION})
    assert tried.json["reply"] == "Sí."
    assert studio.ask(QUESTION) == ["Sí."]


def test_an_open_breaker_reserves_nothing(studio: Studio) -> None:
    studio.script({"do": "no_quota"})
    studio.ask(QUESTION)
    rows(studio.conversation, "delete from recado.bot_spend")
    studio.ask(QUESTION)
    assert rows(studio.conversation, "select 1 from recado.bot_spend") == []
