"""`use_queue: false`: the provider's answer, or 202 when it takes too long."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.pool import QueuePool

from app import db
from app.common import clock
from app.messages import waiting
from tests.common.census import row_counts
from tests.delivery.drains import draining
from tests.delivery.test_deliver import creates
from tests.factories import ApiClient, create_api_key
from tests.world import World

PHONE = "+15551234567"
TEMPLATE = f"HX{3:032d}"
VARIABLES = {"1": "A-1", "2": "on its way"}
WAITING_SENDS: dict[str, dict[str, Any]] = {
    "/api/send": {"to_number": PHONE, "body": "¡Hola!", "use_queue": False},
    "/api/send-message": {"phone": PHONE, "message": "¡Hola!"},
    "/send_whatsapp": {
        "to_number": PHONE,
        "content_sid": TEMPLATE,
        "content_variables": json.dumps(VARIABLES),
    },
}


@pytest.mark.parametrize("path", WAITING_SENDS)
def test_the_answer_brings_the_providers_id(world: World, path: str) -> None:
    with draining(world):
        answer = world.owner.post(path, WAITING_SENDS[path])
    assert answer.status_code == 200
    assert answer.json["success"] is True
    (made,) = creates(world)
    assert answer.json["message_sid"] == made["sid"]


def test_a_template_reaches_the_provider_with_its_variables_as_text(world: World) -> None:
    for variables in (VARIABLES, json.dumps(VARIABLES)):
        body = {**WAITING_SENDS["/send_whatsapp"], "content_variables": variables}
        assert world.owner.post("/api/send", body).status_code == 202
        world.deliver()
    forms: list[Any] = [each["form"] for each in creates(world)]
    assert [json.loads(form["ContentVariables"]) for form in forms] == [VARIABLES] * 2
    assert {form["ContentSid"] for form in forms} == {TEMPLATE}


def test_media_reach_the_provider_with_their_caption(world: World) -> None:
    world.send(media_url="https://example.com/a.png", body="Look")
    world.deliver()
    form: Any = creates(world)[0]["form"]
    assert (form["MediaUrl"], form["Body"]) == ("https://example.com/a.png", "Look")


def test_with_nobody_to_send_the_answer_is_202_after_the_wait(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "LONGEST_SECONDS", 0.2)
    answer = world.owner.post("/api/send-message", WAITING_SENDS["/api/send-message"])
    assert (answer.status_code, answer.json["status"]) == (202, "queued")
    assert answer.json["message_sid"] is None


def test_a_refusal_ends_the_wait(world: World) -> None:
    body = {"phone": "+15550021610", "message": "x"}
    with draining(world):
        answer = world.owner.post("/api/send-message", body)
    assert (answer.status_code, answer.json["code"]) == (422, "refused_by_provider")
    assert answer.json["details"]["error"]["provider_code"] == "21610"
    failed = world.owner.get(f"/api/messages/{answer.json['details']['message_id']}").json
    assert failed["status"] == "failed"


def test_the_wait_holds_no_connection(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    in_use: list[int] = []
    engine = db.Database.engine
    assert engine is not None
    pool = engine.pool
    assert isinstance(pool, QueuePool)

    def look(_: float) -> None:
        in_use.append(pool.checkedout())

    before = pool.checkedout()
    monkeypatch.setattr(waiting, "LONGEST_SECONDS", 0.2)
    monkeypatch.setattr(time, "sleep", look)
    world.owner.post("/api/send-message", WAITING_SENDS["/api/send-message"])
    assert in_use
    assert set(in_use) == {before}


def test_a_repeat_with_the_same_key_gets_the_word_and_sends_nothing(world: World) -> None:
    body = WAITING_SENDS["/api/send-message"]
    with draining(world):
        first = world.owner.post("/api/send-message", body, idempotency_key="k")
        again = world.owner.post("/api/send-message", body, idempotency_key="k")
    assert first.status_code == 200
    assert (again.status_code, again.json) == (200, first.json)
    assert len(creates(world)) == 1


def test_a_repeat_during_the_wait_is_told_that_it_is_queued(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = WAITING_SENDS["/api/send-message"]
    repeats: list[Any] = []

    def ask_again(_: float) -> None:
        if not repeats:
            repeats.append(None)
            repeats[0] = world.owner.post("/api/send-message", body, idempotency_key="k")

    monkeypatch.setattr(waiting, "LONGEST_SECONDS", 0.2)
    monkeypatch.setattr(time, "sleep", ask_again)
    first = world.owner.post("/api/send-message", body, idempotency_key="k")
    assert (repeats[0].status_code, repeats[0].json) == (202, first.json)
    assert row_counts(world.tenant.id)[world.tenant.id, "messages"] == 1


def test_a_test_key_gets_its_word_without_a_phone(world: World) -> None:
    tester = ApiClient(world.owner.app, create_api_key(world.tenant.id, mode="test")[1])
    with draining(world):
        answer = tester.post("/api/send-message", WAITING_SENDS["/api/send-message"])
    assert (answer.status_code, answer.json["status"]) == (200, "delivered")
    assert creates(world) == []


def far_ahead() -> str:
    return (clock.now() + timedelta(hours=1)).isoformat()


def test_nobody_waits_for_a_message_that_is_not_due_yet(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", never)
    body = {**WAITING_SENDS["/api/send"], "send_at": far_ahead()}
    answer = world.owner.post("/api/send", body, idempotency_key="k")
    assert (answer.status_code, answer.json["status"]) == (202, "queued")
    assert world.owner.post("/api/send", body, idempotency_key="k").json == answer.json


def never(_: float) -> None:
    raise AssertionError("the request waited")


@pytest.mark.parametrize(
    "happening",
    [
        "update recado.messages set retry_at = now() + interval '1 minute'",
        "update recado.channels set status = 'disabled'",
    ],
)
def test_the_wait_ends_when_the_message_cannot_leave_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch, happening: str
) -> None:
    looks: list[float] = []

    def look(seconds: float) -> None:
        looks.append(seconds)
        world.sql(happening)

    monkeypatch.setattr(time, "sleep", look)
    answer = world.owner.post("/api/send-message", WAITING_SENDS["/api/send-message"])
    assert (answer.status_code, answer.json["status"]) == (202, "queued")
    assert len(looks) == 1


def test_a_message_that_becomes_due_during_the_wait_is_waited_for(world: World) -> None:
    soon = (clock.now() + timedelta(seconds=0.3)).isoformat()
    with draining(world):
        answer = world.owner.post("/api/send", {**WAITING_SENDS["/api/send"], "send_at": soon})
    assert answer.status_code == 200
