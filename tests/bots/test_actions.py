"""The actions of a bot: the model chooses a tool and its arguments, nothing else."""

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from app import config
from app.ai.types import Tool, ToolCall
from app.bots import actions
from app.bots.actions import ActionServer, Contact, Kit
from app.bots.definition import Action, Definition, Effect
from app.bots.loop import ToolRun
from app.common.egress import Call
from app.common.ids import new_id
from tests.bots.studio import HAIRCUT, SHOP_KEY, Studio, calling, saying, tool_results
from tests.channels.local_server import LocalServer, answering, serve

CONTACT = Contact(new_id(), "+15551234567")
TEXT = {"type": "object", "properties": {"id": {"type": "string"}}}


def kit(
    base_url: str | None,
    action: Action,
    parameters: dict[str, Any] | None = None,
    *,
    seconds: float = 5.0,
) -> Kit:
    tool = Tool(action.name, "", parameters or TEXT)
    return Kit(
        Definition("m", tools=(tool,), actions=(action,)),
        ActionServer(base_url, SHOP_KEY),
        CONTACT,
        new_id(),
        (),
        Call(seconds),
        lambda _: True,
    )


def run(given: Kit, **arguments: Any) -> ToolRun:
    return given.run(ToolCall("call_1", given.definition.actions[0].name, "{}"), arguments)


def allow(server: LocalServer) -> str:
    """Let the operator allow this server; return its address."""
    config.use(replace(config.current(), allowed_private_hosts=(f"127.0.0.1:{server.port}",)))
    return server.url


FETCH = Action("fetch", "GET", "/things/{id}")

PRIVATE = (
    "http://127.0.0.1:1/api",
    "https://127.0.0.1/api",
    "https://localhost/api",
    "https://10.0.0.8/api",
    "https://192.168.1.1",
    "https://169.254.169.254/latest",
    "https://[::1]/api",
    "https://[::ffff:10.0.0.1]/api",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://metadata.google.internal/",
    "http://shop.example.com/api",
    "https://shop.example.com:22/api",
    "https://user:password@shop.example.com/api",
)


@pytest.mark.parametrize("base_url", PRIVATE)
def test_private_addresses_are_never_called(base_url: str) -> None:
    """They are refused when a bot is saved; a row that holds one all the same calls nobody."""
    done = run(kit(base_url, FETCH), id="1")
    assert done.state == "address_refused"
    assert "private" not in done.text, "the model learns nothing of our network"


def test_a_public_name_that_resolves_to_a_private_address_is_not_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = [(2, 1, 6, "", ("127.0.0.1", 443))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    assert run(kit("https://shop.example.com", FETCH), id="1").state == "address_refused"


def test_a_redirect_is_not_followed(studio: Studio) -> None:
    with serve(answering("200 OK", b"secret")) as tripwire:
        allowed = (*config.current().allowed_private_hosts, f"127.0.0.1:{tripwire.port}")
        config.use(replace(config.current(), allowed_private_hosts=allowed))
        studio.disturb({"fault": "redirect", "location": f"{tripwire.url}/"})
        studio.script(calling("find_order", {"number": "1042"}), saying("Hm."))
        studio.ask("¿Mi pedido?")
        assert tripwire.requests == []
    assert studio.turn().calls[0]["state"] == "refused"


@pytest.mark.parametrize(
    "value",
    ["..", ".", "", "../admin", "a/b", "%2e%2e", "%2F", "\\..\\", "1 2\r\nX-Evil: 1", "a\x7f"],
)
def test_a_value_cannot_leave_the_path(value: str) -> None:
    with serve(answering("200 OK", b"{}")) as server:
        done = run(kit(allow(server), FETCH), id=value)
        assert done.state == "bad_arguments"
        assert server.requests == []


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("1?all=1#x", "1%3Fall%3D1%23x"),
        ("1 2", "1%202"),
        ("a;b", "a%3Bb"),
        ("ñ", "%C3%B1"),
    ],
)
def test_a_value_is_one_segment_of_the_path(value: str, written: str) -> None:
    with serve(answering("200 OK", b"{}")) as server:
        assert run(kit(allow(server), FETCH), id=value).state == "done"
        (request,) = server.requests
    assert request.split(b"\r\n")[0] == f"GET /things/{written} HTTP/1.1".encode()


def test_a_missing_value_does_not_shorten_the_path() -> None:
    with serve(answering("200 OK", b"{}")) as server:
        assert run(kit(allow(server), FETCH)).state == "bad_arguments"
        assert server.requests == []


def test_the_customer_is_ours_and_not_the_models() -> None:
    action = Action(
        "fetch",
        "POST",
        "/of/{contact.phone}",
        {"phone": "{contact.phone}"},
        {"phone": "{contact.phone}", "id": "{contact.id}", "note": "for {contact.phone}"},
        Effect.WRITE,
    )
    with serve(answering("200 OK", b"{}")) as server:
        given = kit(allow(server), action)
        lie = {"contact.phone": "+15559999999", "contact.id": "somebody"}
        assert run(given, **lie).state == "done"
        (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /of/%2B15551234567?phone=%2B15551234567 ")
    assert b"9999999" not in request
    assert str(CONTACT.id).encode() in body
    assert b"for +15551234567" in body


def test_a_placeholder_alone_keeps_its_type() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string"}, "n": {"type": "integer"}}}
    action = Action("fetch", "POST", "/x", {}, {"a": ["{n}"], "b": "n={n}"}, Effect.WRITE)
    with serve(answering("200 OK", b"{}")) as server:
        run(kit(allow(server), action, schema), n=2)
        assert server.requests[0].endswith(b'{"a": [2], "b": "n=2"}')


def test_arguments_that_do_not_fit_the_schema_call_nobody(studio: Studio) -> None:
    studio.script(calling("find_order", {"number": 1042}), saying("Hm."))
    studio.ask("¿Mi pedido 1042?")
    assert studio.called() == []
    assert "not of type 'string'" in tool_results(studio.asked()[-1])[0]


def test_a_pattern_of_the_business_cannot_take_a_worker() -> None:
    schema = {"type": "object", "properties": {"id": {"type": "string", "pattern": "^(a+)+$"}}}
    began = time.monotonic()
    with serve(answering("200 OK", b"{}")) as server:
        assert run(kit(allow(server), FETCH, schema), id="a" * 40 + "!").state == "done"
    assert time.monotonic() - began < 2


def test_what_needs_a_yes_is_not_called() -> None:
    action = Action("fetch", "DELETE", "/x", effect=Effect.CONFIRM)
    with serve(answering("200 OK", b"{}")) as server:
        assert run(kit(allow(server), action)).state == "awaiting_yes"
        assert server.requests == []


def test_a_server_that_is_away_is_told_as_that() -> None:
    with serve(answering("200 OK")) as server:
        base_url = allow(server)
    write = replace(FETCH, method="POST", effect=Effect.WRITE)
    for action in (FETCH, write):
        assert run(kit(base_url, action), id="1").state == "unreachable"
    assert run(kit(None, FETCH), id="1").state == "not_available"


def test_a_turn_without_time_calls_nobody() -> None:
    with serve(answering("200 OK", b"{}")) as server:
        assert run(kit(allow(server), FETCH, seconds=0), id="1").state == "unreachable"
        assert server.requests == []


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        ({"fault": "fail_before"}, "failed"),
        ({"fault": "throttle"}, "refused"),
        ({"fault": "cut"}, "unreachable"),
        ({"fault": "hang", "seconds": 2}, "unreachable"),
        ({"fault": "huge"}, "unreachable"),
        ({"fault": "malformed"}, "done"),
    ],
)
def test_a_failed_look_up_is_told_to_the_model(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], state: str
) -> None:
    monkeypatch.setattr(actions, "SECONDS", 0.5)
    studio.disturb(fault)
    studio.script(calling("find_order", {"number": "1042"}), saying("Un momento."))
    assert studio.ask("¿Mi pedido 1042?") == ["Un momento."]
    assert studio.turn().calls[0]["state"] == state
    assert studio.turn().outcome == "answered"


def test_a_key_of_the_business_is_in_no_record(studio: Studio) -> None:
    studio.script(calling("book_appointment", HAIRCUT), saying("Listo."))
    studio.ask("Quiero una cita")
    assert studio.booked() == ["Haircut"]
    assert SHOP_KEY not in str(studio.turn())
    assert SHOP_KEY not in str(studio.asked())


def test_a_parameter_that_is_left_out_is_sent_nowhere() -> None:
    action = Action(
        "fetch",
        "POST",
        "/things",
        query={"note": "{note}", "all": "{all}"},
        body={"id": "{id}", "note": "{note}", "given": None},
        effect=Effect.WRITE,
    )
    parameters = {"type": "object", "properties": {"id": {"type": ["string", "null"]}}}
    with serve(answering("200 OK", b"{}")) as server:
        run(kit(allow(server), action, parameters), id=None, all=True)
        (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /things?all=true HTTP")
    assert json.loads(body) == {"id": None, "given": None}
