"""Asking a model over HTTP: what is read from its answer, and what its failures mean."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app import config
from app.ai import client
from app.ai.catalogue import Usage
from app.ai.errors import AiError, BadQuestion, Canceled, Misconfigured, TooLong, Transient
from app.ai.types import Outcome, Question, Replied, Role, Said, Tool, ToolResult
from app.common.egress import Call
from app.config import Settings
from tests.ai.model_server import answer, endpoint, failure, message, model_server, path_of, sent
from tests.channels.local_server import (
    Behaviour,
    closed_port,
    hanging,
    read_request,
    resetting,
    serve,
    trickling,
)

QUESTION = Question("gpt-6-luna", "Be kind.", (Said(Role.USER, "hola"),), temperature=0.5)
OK = "200 OK"
LONG = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "look_up",
    "arguments": '{"n": 1}',
    "status": "completed",
}


@pytest.fixture(autouse=True)
def _no_memory(settings: Settings) -> Iterator[None]:
    config.use(settings)
    client.refuses_temperature.forget()
    client.has_chat_only.forget()
    yield
    config.use(settings)


def ask(server: Any, question: Question = QUESTION, seconds: float = 10.0, **fields: Any) -> Any:
    return client.ask(endpoint(server, **fields), question, Call(seconds))


def test_an_answer_is_read_with_its_usage_and_ids() -> None:
    with model_server((OK, answer(message("¡Hola!")), "x-request-id: req_9")) as server:
        reply = ask(server)
    assert (reply.text, reply.outcome, reply.refusal) == ("¡Hola!", Outcome.COMPLETE, None)
    assert (reply.response_id, reply.request_id) == ("resp_1", "req_9")
    assert reply.usage == Usage(1500, 1100, 100, 150, 20)


def test_a_commentary_is_no_answer() -> None:
    parts = message("Let me check …", phase="commentary"), message("Done.", phase="final_answer")
    with model_server((OK, answer(*parts))) as server:
        assert ask(server).text == "Done."


def test_a_refusal_is_told_apart() -> None:
    refused = message("", content=[{"type": "refusal", "refusal": "No."}])
    with model_server((OK, answer(refused))) as server:
        reply = ask(server)
    assert (reply.text, reply.refusal) == ("", "No.")


@pytest.mark.parametrize(
    ("fields", "outcome", "error"),
    [
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            Outcome.CUT,
            "max_output_tokens",
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            Outcome.FILTERED,
            "content_filter",
        ),
        ({"status": "incomplete", "usage": None}, Outcome.CUT, "unknown"),
        (
            {"status": "failed", "error": {"code": "server_error", "message": "x"}, "usage": None},
            Outcome.FAILED,
            "server_error",
        ),
        ({"status": "cancelled"}, Outcome.FAILED, "cancelled"),
    ],
)
def test_an_answer_that_is_none(fields: dict[str, Any], outcome: Outcome, error: str) -> None:
    with model_server((OK, answer(**fields))) as server:
        reply = ask(server)
    assert (reply.outcome, reply.error, reply.text) == (outcome, error, "")


def test_a_tool_loop_sends_the_whole_answer_back() -> None:
    tool = Tool("look_up", "", {"type": "object", "properties": {}})
    first = replace(QUESTION, tools=(tool,))
    with model_server((OK, answer(LONG, CALL)), (OK, answer(message("Here.")))) as server:
        reply = ask(server, first)
        assert [each.arguments for each in reply.tool_calls] == ['{"n": 1}']
        more = (*first.items, Replied(reply.items), ToolResult("call_1", "found"))
        assert ask(server, replace(first, items=more)).text == "Here."
    repeated = sent(server)["input"]
    assert repeated[1] == LONG
    assert repeated[2] == {key: value for key, value in CALL.items() if key != "status"}
    assert repeated[3]["output"] == "found"


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        ("400 Bad", failure("invalid_value"), BadQuestion, "invalid_value"),
        ("400 Bad", failure("context_length_exceeded"), TooLong, "context_length_exceeded"),
        ("400 Bad", failure("model_not_found"), Misconfigured, "model_not_found"),
        ("401 No", failure("invalid_api_key"), Misconfigured, "invalid_api_key"),
        ("403 No", failure(None), Misconfigured, "http_403"),
        ("404 No", failure("model_not_found"), Misconfigured, "model_not_found"),
        ("408 Slow", failure(None), Transient, "http_408"),
        ("409 Busy", failure(None), Transient, "http_409"),
        ("422 Bad", failure("x"), BadQuestion, "x"),
        ("429 Busy", failure("rate_limit_exceeded"), Transient, "rate_limit_exceeded"),
        ("429 Paid", failure("insufficient_quota"), Misconfigured, "insufficient_quota"),
        ("429 Paid", failure("billing_hard_limit"), Misconfigured, "billing_hard_limit"),
        ("500 Oh", failure("server_error"), Transient, "server_error"),
        ("503 Oh", b"<html>", Transient, "http_503"),
        ("302 Away", b"", Misconfigured, "redirected"),
        (OK, b"{", Transient, "invalid_answer"),
        (OK, b"[]", Transient, "invalid_answer"),
        (OK, b'"hello"', Transient, "invalid_answer"),
        (OK, {"output": [{"type": "message", "content": 5}]}, Transient, "invalid_answer"),
    ],
)
def test_each_failure_says_what_to_do(
    status: str, body: Any, kind: type[AiError], code: str
) -> None:
    with model_server((status, body)) as server, pytest.raises(kind) as raised:
        ask(server, is_openai=True)
    assert type(raised.value) is kind
    assert raised.value.code == code
    assert len(server.requests) == 1, "a retry is billed again"


def test_how_long_to_wait_is_told() -> None:
    with (
        model_server(("429 Busy", failure("rate_limit_exceeded"), "retry-after: 7")) as server,
        pytest.raises(Transient) as raised,
    ):
        ask(server)
    assert raised.value.retry_after == 7.0


@pytest.mark.parametrize("behave", [hanging, resetting, trickling])
def test_a_silent_server_is_left_at_the_deadline(behave: Behaviour) -> None:
    began = time.monotonic()
    with serve(behave) as server, pytest.raises(Transient, match="unreachable"):
        ask(server, seconds=0.5)
    assert time.monotonic() - began < 5


def test_an_address_without_a_server_is_unreachable() -> None:
    with model_server((OK, answer())) as server:
        server.port = closed_port()
        with pytest.raises(Transient, match="unreachable"):
            ask(server)


def test_another_thread_ends_a_call_that_waits() -> None:
    call, raised = Call(20.0), []

    def wait(server: Any) -> None:
        try:
            client.ask(endpoint(server), QUESTION, call)
        except AiError as error:
            raised.append(error)

    with serve(hanging) as server:
        waiting = threading.Thread(target=wait, args=(server,))
        waiting.start()
        while not server.requests:
            time.sleep(0.01)
        call.cancel()
        waiting.join(5)
        assert not waiting.is_alive()
    assert [type(each) for each in raised] == [Canceled]


def test_a_refused_temperature_is_left_out_and_remembered() -> None:
    refused = failure("unsupported_value", param="temperature")
    with model_server(("400 Bad", refused), (OK, answer(message("ok")))) as server:
        assert ask(server).text == "ok"
        ask(server)
    assert [sent(server, n).get("temperature") for n in range(3)] == [0.5, None, None]


def test_a_server_without_responses_is_asked_by_chat_from_then_on() -> None:
    said = {"role": "assistant", "content": "hola"}
    completion = {
        "id": "chatcmpl_1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": said}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
    with model_server(("404 No", {"detail": "Not Found"}), (OK, completion)) as server:
        reply = ask(server)
        ask(server)
    assert (reply.text, reply.usage) == ("hola", Usage(input=3, output=2))
    paths = [path_of(server, n) for n in range(3)]
    assert paths == ["/v1/responses", "/v1/chat/completions", "/v1/chat/completions"]


def test_openai_is_never_asked_by_chat() -> None:
    with (
        model_server(("404 No", {"detail": "Not Found"})) as server,
        pytest.raises(Misconfigured),
    ):
        ask(server, is_openai=True)
    assert len(server.requests) == 1


def test_the_operators_organisation_does_not_travel_with_a_tenants_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-operator")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-operator")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Operator: operator")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-operator")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://operator.example.com")
    with model_server((OK, answer())) as server:
        ask(server)
    head = server.requests[0].lower()
    assert b"operator" not in head
    assert b"authorization: bearer sk-test" in head


def test_a_tenants_address_must_be_public() -> None:
    with model_server((OK, answer())) as server, pytest.raises(Misconfigured) as raised:
        ask(server, is_trusted=False)
    assert raised.value.code == "address_refused"
    assert not server.requests


def test_a_huge_answer_is_cut_off() -> None:
    with (
        model_server((OK, answer(message("x" * 5_000_000)))) as server,
        pytest.raises(Transient, match="larger than"),
    ):
        ask(server)


def test_a_key_is_in_no_representation() -> None:
    with model_server((OK, answer())) as server:
        assert "sk-test" not in repr(endpoint(server))


def test_connections_are_kept_for_the_next_question() -> None:
    connections = []
    body = answer(message("ok"))

    def behave(connection: socket.socket) -> None:
        connections.append(connection)
        raw = json.dumps(body).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(raw)}\r\n\r\n".encode()
        connection.sendall(head + raw)
        read_request(connection)
        connection.sendall(head + raw)

    with serve(behave) as server:
        ask(server)
        ask(server)
    assert len(connections) == 1


@pytest.mark.parametrize("count", ["x", -1, 1.5, True, 10**30, {"a": 1}])
def test_a_strange_number_of_tokens_is_an_invalid_answer(count: Any) -> None:
    """A budget is counted with it."""
    usage = {"input_tokens": count, "output_tokens": 1}
    with (
        model_server((OK, answer(message("x"), usage=usage))) as server,
        pytest.raises(Transient, match="invalid_answer"),
    ):
        ask(server)


@pytest.mark.parametrize("part", ["call_id", "name", "arguments"])
@pytest.mark.parametrize("value", [7, {"a": 1}, [1]])
def test_a_tool_call_of_another_form_is_an_invalid_answer(part: str, value: Any) -> None:
    with (
        model_server((OK, answer({**CALL, part: value}))) as server,
        pytest.raises(Transient, match="invalid_answer"),
    ):
        ask(server)
