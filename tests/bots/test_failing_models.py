"""What a try of a bot answers if its model's server refuses, fails, or is silent."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app import config
from app.config import Settings
from tests.ai.model_server import ANSWER, answer, failure, message, model_server
from tests.bots.bodies import make
from tests.bots.trying import OPERATORS_KEY, own, try_bot, use
from tests.channels.local_server import LocalServer, closed_port, hanging, serve
from tests.factories import ApiClient

OK = "200 OK"
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


STRANGE: list[Any] = [None, True, "x", -1, 1.5, 10**30, [], [{}], {}, {"x": []}, "\ud800", "\x00"]


def mangled(value: Any) -> Iterator[dict[str, Any]]:
    """Yield answers in which one part is not what it should be."""
    call = {"type": "function_call", "id": "f", "call_id": "c", "name": "n", "arguments": "{}"}
    for name in ("id", "status", "output", "usage", "error", "incomplete_details"):
        yield {**answer(message("x")), name: value}
    for name in ("input_tokens", "output_tokens", "input_tokens_details", "output_tokens_details"):
        yield answer(message("x"), usage={**ANSWER["usage"], name: value})
    for name in ("type", "call_id", "name", "arguments"):
        yield answer({**call, name: value})
    for name in ("type", "content", "phase", "role"):
        yield answer(message("x", **{name: value}))
    for name in ("type", "text"):
        yield answer(message("x", content=[{"type": "output_text", "text": "x", name: value}]))
    yield answer(message("x", content=[{"type": "refusal", "refusal": value}]))


@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_an_answer_of_any_form_is_no_failure_of_ours(
    signed_in: ApiClient, settings: Settings, number: int
) -> None:
    answers = list(mangled(STRANGE[number]))
    made = make(signed_in)
    with model_server(*((OK, each) for each in answers)) as server:
        use(settings, server)
        for each in answers:
            found = try_bot(signed_in, made)
            assert found.status_code in {200, 502, 503}, (each, found.text)
            json.loads(found.text, parse_constant=pytest.fail)
