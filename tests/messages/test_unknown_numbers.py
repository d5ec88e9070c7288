"""A number that our numbering plans refuse, but WhatsApp knows: its messages are answered."""

import pytest

from app.models import KeywordReply
from tests.factories import save
from tests.world import World

NUMBER = "+99912345678"


@pytest.fixture
def written(world: World) -> World:
    save(world.tenant.id, KeywordReply(keywords=["hola"], reply="¡Hola!"))
    world.write(NUMBER, body="hola")
    world.apply()
    return world


def test_it_gets_the_keyword_reply(written: World) -> None:
    (item,) = written.sql("select state, reason from recado.inbox_items")
    assert tuple(item) == ("applied", None)
    (reply,) = written.sql("select id, to_number from recado.messages where direction = 'outgoing'")
    assert reply.to_number == NUMBER
    written.deliver()
    assert written.wait_for(reply.id, "delivered").to_number == NUMBER


def test_a_person_answers_it_in_its_conversation(written: World) -> None:
    (conversation,) = written.conversations()
    assert conversation["contact"]["phone"] == NUMBER
    body = {"conversation_id": conversation["id"], "body": "x"}
    answer = written.owner.post("/api/send", body)
    assert answer.status_code == 202, answer.json


def test_an_unclear_send_to_it_is_settled(written: World) -> None:
    (reply,) = written.sql("select id from recado.messages where direction = 'outgoing'")
    rule = {"fault": "accept_then_500", "next": 1, "account": written.channel.account}
    written.simulator.control("PUT", "/faults", {"create": [rule]})
    written.deliver()
    assert written.message(reply.id).status == "uncertain"
    written.settle()
    assert written.message(reply.id).provider_message_id is not None


@pytest.mark.parametrize("spelling", [NUMBER, f"whatsapp:{NUMBER}", NUMBER[1:]])
def test_lists_find_it(written: World, spelling: str) -> None:
    query = {"phone": spelling}
    found = written.owner.get("/api/messages", query=query).json["messages"]
    assert [each["direction"] for each in found] == ["outgoing", "incoming"]
    threads = written.owner.get("/api/whatsapp/conversations", query=query).json["items"]
    assert len(threads) == 1


def test_nobody_is_sent_to_it_by_its_number(written: World) -> None:
    answer = written.owner.post("/api/send", {"to_number": NUMBER, "body": "x"})
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
    assert "country code" in answer.json["details"]["fields"]["to_number"][0]


@pytest.mark.parametrize("nonsense", ["hello", "", "+", "1", "whatsapp:"])
def test_what_is_no_address_is_refused_as_before(written: World, nonsense: str) -> None:
    answer = written.owner.get("/api/messages", query={"phone": nonsense})
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
