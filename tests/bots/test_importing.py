"""`POST /bots/{bot_id}/import`: from an OpenAPI document to a bot that answers with it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from app import config
from app.bots import importing
from app.common.slots import places
from app.models import Tenant
from tests.bots.bodies import ACTION, FUNCTION, make, path_of, reasons
from tests.bots.studio import PHONE, SHOP_KEY, Studio, calling, saying
from tests.bots.test_actions import PRIVATE
from tests.bots.test_openapi_import import document
from tests.channels.local_server import Behaviour, LocalServer, answering, serve
from tests.factories import Answer, ApiClient

ORDER = {"operationId": "get_order", "parameters": [{"name": "id", "in": "path", "required": True}]}
SHOP = document({"/orders/{id}": {"get": ORDER}}, servers=[{"url": "https://shop.example.com/"}])


def send(client: ApiClient, bot: dict[str, Any], **body: Any) -> Answer:
    return client.post(f"{path_of(bot)}/import", body)


def done(client: ApiClient, bot: dict[str, Any], **body: Any) -> dict[str, Any]:
    answer = send(client, bot, **body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def allow(server: LocalServer) -> str:
    hosts = (f"127.0.0.1:{server.port}",)
    config.use(replace(config.current(), allowed_private_hosts=hosts))
    return f"{server.url}/openapi.json"


def test_a_bot_answers_with_what_was_imported(studio: Studio) -> None:
    studio.change(assistant_functions=[], horizon_actions=[])
    url = f"{studio.simulator.base}/business/openapi.json"
    listed = done(studio.api, studio.bot, url=url)
    assert [each["operation_id"] for each in listed["operations"] if each["can_import"]] == [
        *("list_orders", "get_order", "list_appointments", "book_appointment"),
        "cancel_appointment",
    ]
    assert listed["base_url"] == f"{studio.simulator.base}/business"
    assert listed["imported"] == []
    chosen = ["get_order", "book_appointment", "cancel_appointment"]
    answer = done(studio.api, studio.bot, url=url, operations=chosen)
    assert answer["imported"] == chosen
    effects = {each["name"]: each["effect"] for each in answer["data"]["horizon_actions"]}
    assert effects == dict(zip(chosen, ("read", "write", "confirm"), strict=True))

    studio.script(calling("get_order", {"number": "1042"}), saying("Va en camino."))
    assert studio.ask("¿Dónde está mi pedido 1042?") == ["Va en camino."]
    (call,) = studio.called()
    assert call["path"] == "/business/orders/1042"
    assert studio.turn().calls[0]["state"] == "done"

    booking = {"service": "Haircut", "starts_at": "2027-01-20T15:00:00Z"}
    studio.script(calling("book_appointment", booking), saying("Listo."))
    assert studio.ask("Quiero una cita") == ["Listo."]
    assert studio.booked() == ["Haircut"]
    assert PHONE in json.dumps(studio.called("POST")), "the number is ours, not the model's"


def test_a_phone_of_the_models_is_refused(studio: Studio) -> None:
    url = f"{studio.simulator.base}/business/openapi.json"
    done(studio.api, studio.bot, url=url, operations=["list_orders"])
    studio.script(calling("list_orders", {"phone": "+15550000001"}), saying("No puedo."))
    studio.ask("Dame los pedidos de +15550000001")
    assert studio.called() == []
    assert studio.turn().calls[0]["state"] == "bad_arguments"


def test_a_list_changes_nothing(signed_in: ApiClient) -> None:
    bot = make(signed_in)
    answer = done(signed_in, bot, document=SHOP)
    assert answer["operations"] == [
        {
            "operation_id": "get_order",
            "name": "get_order",
            "method": "GET",
            "path": "/orders/{id}",
            "summary": "",
            "can_import": True,
            "reason": None,
        }
    ]
    assert answer["base_url"] == "https://shop.example.com"
    assert answer["data"]["latest_version"] == 1


def test_what_is_imported_joins_what_is_there(signed_in: ApiClient) -> None:
    bot = make(signed_in, instructions="Be kind.", assistant_functions=[FUNCTION])
    signed_in.put(path_of(bot), {"horizon_actions": [ACTION]})
    answer = done(signed_in, bot, document=SHOP, operations=["get_order"])
    after = answer["data"]
    assert [each["name"] for each in after["assistant_functions"]] == ["find_order", "get_order"]
    assert [each["name"] for each in after["horizon_actions"]] == ["find_order", "get_order"]
    assert (after["instructions"], after["version"]) == ("Be kind.", 3)
    assert after["actions"]["base_url"] is None, "the document's server is only shown"
    same = done(signed_in, bot, document=SHOP, operations=["get_order"])
    assert same["data"]["version"] == 3, "nothing differs"


def test_a_function_of_the_same_name_is_replaced(signed_in: ApiClient) -> None:
    bot = make(signed_in, assistant_functions=[FUNCTION], horizon_actions=[ACTION])
    paths = {"/v2/orders/{id}": {"get": {**ORDER, "operationId": "find_order"}}}
    body = {"document": document(paths), "operations": ["find_order"]}
    tried = done(signed_in, bot, **body, dry_run=True)
    assert (tried["data"]["version"], tried["imported"]) == (1, [])
    answer = done(signed_in, bot, **body)
    assert "find_order: replaces the function of this name." in tried["warnings"]
    assert "find_order: replaces the function of this name." in answer["warnings"]
    (action,) = answer["data"]["horizon_actions"]
    assert action["path"] == "/v2/orders/{id}"


def test_the_address_is_set_only_if_it_is_given(signed_in: ApiClient) -> None:
    bot = make(signed_in)
    url = "https://shop.example.com/v1"
    body = {"document": SHOP, "operations": ["get_order"]}
    assert done(signed_in, bot, **body, base_url=url)["data"]["actions"]["base_url"] == url
    signed_in.put(path_of(bot), {"actions": {"api_key": SHOP_KEY}})
    other = send(signed_in, bot, **body, base_url="https://evil.example.com")
    assert set(reasons(other)) == {"actions.api_key"}, "the key is not sent elsewhere"


def test_a_bot_has_a_hundred_functions_at_most(signed_in: ApiClient) -> None:
    bot = make(signed_in, assistant_functions=[{"name": f"f{number}"} for number in range(100)])
    answer = send(signed_in, bot, document=SHOP, operations=["get_order"])
    assert "101 functions" in reasons(answer)["operations"][0]


def test_operations_that_cannot_be_imported_are_refused_together(signed_in: ApiClient) -> None:
    given = document({"/a": {"head": {"operationId": "peek"}}})
    answer = send(signed_in, make(signed_in), document=given, operations=["peek", "none"])
    assert reasons(answer) == {
        "operations.0": ["HEAD cannot be called."],
        "operations.1": ["The document has no such operation."],
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "_schema"),
        ({"document": SHOP, "url": "https://shop.example.com/openapi.json"}, "_schema"),
        ({"document": []}, "document"),
        ({"document": "openapi: 3.1.0"}, "document"),
        ({"document": {}}, "document"),
        ({"document": {"swagger": "2.0"}}, "document"),
        ({"document": {"openapi": "3.1.0", "paths": []}}, "document"),
        ({"document": {"openapi": "3.1.0", "x": "\0"}}, "document.x"),
        ({"document": SHOP, "dry_run": False}, "operations"),
        ({"document": SHOP, "dry_run": "no"}, "dry_run"),
        ({"document": SHOP, "operations": []}, "operations"),
        ({"document": SHOP, "operations": "get_order"}, "operations"),
        ({"document": SHOP, "operations": [1]}, "operations.0"),
        ({"document": SHOP, "operations": ["a"] * 101}, "operations"),
        ({"document": SHOP, "base_url": "ftp://a.example.com"}, "base_url"),
        ({"url": 1}, "url"),
        ({"url": "not a url"}, "url"),
    ],
)
def test_wrong_requests_say_what_is_wrong(
    signed_in: ApiClient, body: dict[str, Any], field: str
) -> None:
    assert field in reasons(send(signed_in, make(signed_in), **body))


@pytest.mark.parametrize("url", PRIVATE)
def test_private_addresses_are_refused(signed_in: ApiClient, url: str) -> None:
    assert set(reasons(send(signed_in, make(signed_in), url=url))) == {"url"}


def test_a_public_name_of_a_private_address_is_not_asked(
    signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = make(signed_in)
    found = [(2, 1, 6, "", ("127.0.0.1", 443))]
    with monkeypatch.context() as patch:
        patch.setattr("app.common.egress.transport.socket.getaddrinfo", lambda *_, **__: found)
        answer = send(signed_in, bot, url="https://shop.example.com/openapi.json")
    assert "private address" in reasons(answer)["url"][0]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (answering("302 Found", b"", "Location: http://127.0.0.1:1/"), "answered 302"),
        (answering("404 Not Found", b"secret"), "answered 404"),
        (answering("200 OK", b"openapi: 3.1.0"), "not JSON"),
        (answering("200 OK", b"\xff\xfe"), "not JSON"),
        (answering("200 OK", b"[" * 100_000), "not JSON"),
        (answering("200 OK", b"[]"), "no JSON object"),
        (answering("200 OK", b'{"a":' * 40 + b"1" + b"}" * 40), "levels deep"),
        (answering("200 OK", b'{"openapi": "\\u0000"}'), "cannot be stored"),
        (answering("200 OK", b"{}"), "OpenAPI 3.0 or 3.1"),
        (answering("200 OK", b" " * (importing.LARGEST_DOCUMENT + 1)), "larger than"),
    ],
)
def test_what_a_server_may_answer(signed_in: ApiClient, behaviour: Behaviour, words: str) -> None:
    bot = make(signed_in)
    with serve(behaviour) as server:
        answer = send(signed_in, bot, url=allow(server))
    (reason,) = reasons(answer)["url"]
    assert words in reason
    assert "secret" not in answer.text


def test_few_documents_are_fetched_at_once(signed_in: ApiClient, tenant: Tenant) -> None:
    bot, taken = make(signed_in), 0
    while places.take(tenant.id):
        taken += 1
    try:
        answer = send(signed_in, bot, url="https://shop.example.com/openapi.json")
    finally:
        for _ in range(taken):
            places.give_back(tenant.id)
    assert (answer.status_code, answer.json["code"]) == (429, "too_many_tries")


def test_a_bot_of_another_tenant_is_not_found(signed_in: ApiClient, outsider: ApiClient) -> None:
    bot = make(signed_in)
    with serve(answering("200 OK", json.dumps(SHOP).encode())) as server:
        answer = send(outsider, bot, url=allow(server), operations=["get_order"])
        assert server.requests == [], "nothing is fetched for a bot that is not theirs"
    assert answer.json["code"] == "bot_not_found"
    assert signed_in.get(path_of(bot)).json["data"]["version"] == 1
