"""Trying a bot: what its model is asked, what is shown, and that nothing else happens."""

import json
import threading
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from app import db
from app.ai import client
from app.bots import playground
from app.common.slots import places
from app.config import Settings
from tests.ai.model_server import answer, message, model_server, sent
from tests.bots.bodies import ACTION, FUNCTION, make, path_of
from tests.bots.trying import OPERATORS_KEY, QUESTION, header, own, try_bot, use
from tests.channels.local_server import LocalServer, closed_port
from tests.common.census import row_counts
from tests.factories import ApiClient

OK = "200 OK"


def call(name: str = "find_order", arguments: str = '{"order_id": "1042"}') -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


def test_the_model_is_asked_with_the_active_version(
    signed_in: ApiClient, settings: Settings
) -> None:
    made = make(
        signed_in,
        instructions="Be kind.",
        max_tokens=300,
        temperature=0.5,
        history_messages=2,
        assistant_functions=[FUNCTION],
    )
    history = [{"role": "user", "content": f"{number}"} for number in range(3)]
    with model_server((OK, answer(message("¡Ya va!")))) as server:
        use(settings, server)
        found = try_bot(signed_in, made, history=history)
    assert found.status_code == 200, found.text
    asked = sent(server)
    assert (asked["model"], asked["instructions"]) == ("gpt-6-luna", "Be kind.")
    assert [each["content"] for each in asked["input"]] == ["1", "2", QUESTION["message"]]
    assert (asked["max_output_tokens"], asked["temperature"]) == (300, 0.5)
    assert [tool["name"] for tool in asked["tools"]] == ["find_order"]
    assert header(server, b"authorization") == f"Bearer {OPERATORS_KEY}".encode()


def test_answer_usage_and_cost_are_shown(signed_in: ApiClient, settings: Settings) -> None:
    made = make(signed_in)
    with model_server((OK, answer(message("¡Ya va!")))) as server:
        use(settings, server)
        found = try_bot(signed_in, made).json
    assert found == {
        "reply": "¡Ya va!",
        "refusal": None,
        "outcome": "complete",
        "tool_calls": [],
        "sources": [],
        "usage": {
            "input_tokens": 1500,
            "cached_tokens": 1100,
            "output_tokens": 150,
            "reasoning_tokens": 20,
        },
        "cost": pytest.approx(0.0001285),
        "model": "gpt-6-luna",
        "version": 1,
        "warnings": [],
        "note": "Nothing was sent, and no action was called.",
    }


def test_calls_of_tools_are_shown_and_not_made(signed_in: ApiClient, settings: Settings) -> None:
    with model_server((OK, answer(call(), call("hours", "{}")))) as server:
        shop = {"base_url": f"{server.url}/shop", "api_key": "shop-0003"}
        hours = {"name": "hours"}
        use(settings, server, allowed_private_hosts=(f"127.0.0.1:{server.port}",))
        made = make(
            signed_in,
            assistant_functions=[FUNCTION, hours],
            horizon_actions=[ACTION],
            actions=shop,
        )
        before = row_counts(signed_in.tenant_id)
        found = try_bot(signed_in, made).json
    assert found["tool_calls"] == [
        {
            "id": "call_1",
            "name": "find_order",
            "arguments": {"order_id": "1042"},
            "action": {"method": "GET", "path": "/orders/{order_id}"},
        },
        {"id": "call_1", "name": "hours", "arguments": {}, "action": None},
    ]
    assert len(server.requests) == 1
    assert row_counts(signed_in.tenant_id) == {
        **before,
        (signed_in.tenant_id, "bot_spend"): 4,
    }


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "{",
        "[]",
        "null",
        "7",
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": ' + "[" * 50 + "]" * 50 + "}",
        "[" * 100_000,
    ],
)
def test_arguments_that_are_no_object_are_null(
    signed_in: ApiClient, settings: Settings, arguments: str
) -> None:
    made = make(signed_in, assistant_functions=[FUNCTION])
    with model_server((OK, answer(call(arguments=arguments)))) as server:
        use(settings, server)
        found = try_bot(signed_in, made)
    assert json.loads(found.text)["tool_calls"][0]["arguments"] is None


def test_a_refusal_and_an_answer_that_was_cut_are_named(
    signed_in: ApiClient, settings: Settings
) -> None:
    made = make(signed_in)
    refused = message("")
    refused["content"] = [{"type": "refusal", "refusal": "I cannot."}]
    cut = answer(
        message("half"),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
        usage=None,
    )
    with model_server((OK, answer(refused)), (OK, cut)) as server:
        use(settings, server)
        first, second = try_bot(signed_in, made).json, try_bot(signed_in, made).json
    assert (first["reply"], first["refusal"]) == ("", "I cannot.")
    assert (second["reply"], second["outcome"]) == ("half", "cut")
    assert (second["usage"], second["cost"]) == (None, None)


def test_a_model_that_is_gone_is_replaced_with_a_warning(
    signed_in: ApiClient, settings: Settings
) -> None:
    made = make(signed_in, openai_model="gpt-4")
    with model_server((OK, answer(message("x")))) as server:
        use(settings, server)
        found = try_bot(signed_in, made).json
    assert sent(server)["model"] == found["model"] == "gpt-5.6-sol"
    assert "answers in its place" in found["warnings"][0]


def test_a_key_of_ones_own_is_used_at_the_installations_address(
    signed_in: ApiClient, settings: Settings
) -> None:
    made = make(signed_in, model={"api_key": "sk-own-0002"})
    with model_server((OK, answer(message("x")))) as server:
        use(settings, server, openai_api_key="")
        assert try_bot(signed_in, made).status_code == 200
    assert header(server, b"authorization") == b"Bearer sk-own-0002"


@pytest.mark.parametrize("api_key", ["sk-own-0002", None])
def test_the_installations_key_is_sent_to_no_server_of_a_bot(
    signed_in: ApiClient, settings: Settings, api_key: str | None
) -> None:
    with model_server((OK, answer(message("x")))) as server:
        fields = own(replace(settings, openai_api_key=OPERATORS_KEY), server)
        fields["model"]["api_key"] = api_key
        found = try_bot(signed_in, make(signed_in, **fields))
    assert (found.status_code, found.json["cost"]) == (200, None)
    assert OPERATORS_KEY.encode() not in server.requests[-1]
    assert sent(server)["model"] == "m"


def test_without_a_key_nothing_is_asked(signed_in: ApiClient, settings: Settings) -> None:
    made = make(signed_in)
    with model_server((OK, answer(message("x")))) as server:
        use(settings, server, openai_api_key="")
        found = try_bot(signed_in, made)
    assert (found.status_code, found.json["code"]) == (409, "no_model_key")
    assert server.requests == []


def test_no_transaction_is_open_while_the_model_answers(
    signed_in: ApiClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(signed_in)
    ask, checked_out = client.ask, []

    def watched(*args: Any) -> Any:
        assert db.Database.engine is not None
        checked_out.append(db.Database.engine.pool.checkedout())  # type: ignore[attr-defined]
        return ask(*args)

    monkeypatch.setattr(client, "ask", watched)
    with model_server((OK, answer(message("x")))) as server:
        use(settings, server)
        assert try_bot(signed_in, made).status_code == 200
    assert checked_out == [0]


def test_few_tries_run_at_once(signed_in: ApiClient, settings: Settings) -> None:
    made = make(signed_in)
    with ExitStack() as stack:
        server = stack.enter_context(model_server((OK, answer(message("x")))))
        use(settings, server, web_threads=8)
        assert places.take(signed_in.tenant_id)
        stack.callback(places.give_back, signed_in.tenant_id)
        found = try_bot(signed_in, made)
        assert (found.status_code, found.json["code"]) == (429, "too_many_tries")
        assert found.headers["Retry-After"] == "5"
    assert server.requests == []


def test_a_place_is_given_back_after_a_failure(signed_in: ApiClient, settings: Settings) -> None:
    made = make(signed_in)
    use(settings, LocalServer(closed_port()), web_threads=4)
    for _ in range(3):
        assert try_bot(signed_in, made).json["code"] == "model_unavailable"


def test_a_bot_that_is_deleted_meanwhile(
    signed_in: ApiClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(signed_in)
    prepare = playground.prepare

    def slow(*args: Any) -> Any:
        prepared = prepare(*args)
        thread = threading.Thread(target=signed_in.delete, args=(path_of(made),))
        thread.start()
        thread.join()
        return prepared

    monkeypatch.setattr(playground, "prepare", slow)
    with model_server((OK, answer(message("x")))) as server:
        use(settings, server)
        assert try_bot(signed_in, made).json["code"] == "bot_not_found"
    assert server.requests == []


@pytest.mark.parametrize(
    "fields",
    [
        {"message": ""},
        {"message": " "},
        {"message": None},
        {"message": 7},
        {"message": "x" * 4097},
        {"message": "a\x00"},
        {"history": {}},
        {"history": ["hola"]},
        {"history": [{"role": "user"}]},
        {"history": [{"role": "system", "content": "x"}]},
        {"history": [{"role": "developer", "content": "x"}]},
        {"history": [{"role": "user", "content": "\ud800"}]},
        {"history": [{"role": "user", "content": "x"}] * 51},
        {"tools": []},
    ],
)
def test_a_question_of_the_wrong_form_is_refused(
    signed_in: ApiClient, settings: Settings, fields: dict[str, Any]
) -> None:
    made = make(signed_in)
    with model_server((OK, answer(message("x")))) as server:
        use(settings, server)
        assert try_bot(signed_in, made, **fields).json["code"] == "validation_error"
    assert server.requests == []


def test_unicode_goes_to_the_model_and_back(signed_in: ApiClient, settings: Settings) -> None:
    made = make(signed_in)
    with model_server((OK, answer(message("值 👋🏽 \u202e")))) as server:
        use(settings, server)
        found = try_bot(signed_in, made, message="ключ 🛍️")
    assert found.json["reply"] == "值 👋🏽 \u202e"
    assert sent(server)["input"][-1]["content"] == "ключ 🛍️"
