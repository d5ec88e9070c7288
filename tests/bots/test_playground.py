"""Trying a bot: what its model is asked, what is shown, and that nothing else happens."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from app import config, db
from app.ai import client
from app.bots import playground
from app.common.slots import places
from app.config import Settings
from tests.ai.model_server import answer, failure, message, model_server, sent
from tests.bots.bodies import ACTION, FUNCTION, make, path_of
from tests.channels.local_server import LocalServer, closed_port, hanging, serve
from tests.common.census import row_counts
from tests.factories import Answer, ApiClient

OK = "200 OK"
OPERATORS_KEY = "sk-operator-0001"
ASKED = {"message": "¿Dónde está mi pedido?"}


def call(name: str = "find_order", arguments: str = '{"order_id": "1042"}') -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "call_1",
        "name": name,
        "arguments": arguments,
        "status": "completed",
    }


@pytest.fixture(autouse=True)
def _settings_back(settings: Settings) -> Iterator[None]:
    client.refuses_temperature.forget()
    client.has_chat_only.forget()
    yield
    config.use(settings)


def use(settings: Settings, server: LocalServer, **changes: Any) -> None:
    """Make this server the installation's model server."""
    changes = {"openai_api_key": OPERATORS_KEY, **changes}
    config.use(replace(settings, openai_base_url=f"{server.url}/v1", **changes))


def own(settings: Settings, server: LocalServer) -> dict[str, Any]:
    """Return the fields of a bot that has this server as its own."""
    config.use(replace(settings, allowed_private_hosts=(f"127.0.0.1:{server.port}",)))
    return {
        "openai_model": "m",
        "model": {"base_url": f"{server.url}/v1", "api_key": "sk-own-0002"},
    }


def try_bot(api: ApiClient, bot: dict[str, Any], **fields: Any) -> Answer:
    return api.post(f"{path_of(bot)}/reply", {**ASKED, **fields})


def header(server: LocalServer, name: bytes) -> bytes | None:
    lines = server.requests[-1].partition(b"\r\n\r\n")[0].split(b"\r\n")
    found = [line.partition(b": ")[2] for line in lines if line.lower().startswith(name + b":")]
    return found[0] if found else None


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
    assert [each["content"] for each in asked["input"]] == ["1", "2", ASKED["message"]]
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
    assert row_counts(signed_in.tenant_id) == before


@pytest.mark.parametrize(
    "arguments",
    ["", "{", "[]", "null", "7", '{"a": NaN}', '{"a": ' + "[" * 50 + "]" * 50 + "}", "[" * 100_000],
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


FAILURES = [
    ("401 Unauthorized", "invalid_api_key", 409, "model_misconfigured"),
    ("403 Forbidden", None, 409, "model_misconfigured"),
    ("404 Not Found", "model_not_found", 409, "model_misconfigured"),
    ("429 Too Many Requests", "insufficient_quota", 409, "model_misconfigured"),
    ("302 Found", None, 409, "model_misconfigured"),
    ("400 Bad Request", "invalid_function_parameters", 502, "model_refused"),
    ("400 Bad Request", "context_length_exceeded", 502, "model_refused"),
    ("429 Too Many Requests", "rate_limit_exceeded", 503, "model_unavailable"),
    ("500 Internal Server Error", "server_error", 503, "model_unavailable"),
    (OK, "server_error", 503, "model_unavailable"),
]


@pytest.mark.parametrize(("line", "code", "status", "ours"), FAILURES)
@pytest.mark.parametrize("has_own_server", [True, False])
def test_a_failure_of_the_model_says_what_to_do_and_no_secret(
    signed_in: ApiClient,
    settings: Settings,
    line: str,
    code: str | None,
    status: int,
    ours: str,
    has_own_server: bool,
) -> None:
    leaky = failure(code, message="Incorrect key sk-own-0002 sk-operator-0001", param="sk-own-0002")
    if line == OK:
        leaky = answer(status="failed", error=leaky["error"])
    with model_server((line, leaky)) as server:
        fields = own(settings, server) if has_own_server else {}
        if not has_own_server:
            use(settings, server)
        found = try_bot(signed_in, make(signed_in, **fields))
    assert (found.status_code, found.json["code"]) == (status, ours), found.text
    assert "sk-o" not in found.text
    assert len(found.json["error"]) > 50
    assert ("Retry-After" in found.headers) is (status == 503)


def test_a_code_of_the_server_that_we_do_not_know_is_not_shown(
    signed_in: ApiClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    made = make(signed_in)
    with model_server(("400 Bad Request", failure(f"bad_{OPERATORS_KEY}"))) as server:
        use(settings, server)
        found = try_bot(signed_in, made)
    assert found.json["details"] == {}
    assert OPERATORS_KEY not in found.text + caplog.text


def test_the_wait_that_the_server_asks_for_is_passed_on(
    signed_in: ApiClient, settings: Settings
) -> None:
    made = make(signed_in)
    with model_server(
        ("429 Too Many Requests", failure("rate_limit_exceeded"), "Retry-After: 7.2"),
        ("503 Service Unavailable", failure("busy"), "Retry-After: 86400"),
    ) as server:
        use(settings, server)
        waits = [try_bot(signed_in, made).headers["Retry-After"] for _ in range(2)]
    assert waits == ["8", "120"]


def test_a_server_that_is_silent_ends_at_the_deadline(
    signed_in: ApiClient, settings: Settings
) -> None:
    made = make(signed_in)
    with serve(hanging) as server:
        use(settings, server, model_timeout_seconds=1)
        assert try_bot(signed_in, made).json["code"] == "model_unavailable"


def test_a_server_that_is_away(signed_in: ApiClient, settings: Settings) -> None:
    made = make(signed_in)
    use(settings, LocalServer(closed_port()))
    assert try_bot(signed_in, made).json["code"] == "model_unavailable"


def test_an_address_that_became_private_is_refused(
    signed_in: ApiClient, settings: Settings
) -> None:
    with model_server((OK, answer(message("x")))) as server:
        made = make(signed_in, **own(settings, server))
        config.use(settings)
        found = try_bot(signed_in, made)
    assert (found.status_code, found.json["details"]) == (409, {"reason": "address_refused"})
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
