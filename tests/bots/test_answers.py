"""A customer writes: a keyword's reply, the bot, or nobody answers, once."""

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app import config
from app.bots import service
from app.models import KeyMode, Tenant
from tests.factories import ApiClient, create_api_key
from tests.world import World

PHONE = "+15551234567"
MODEL_KEY = "sk-simulator-demo"


@pytest.fixture
def shop(world: World) -> World:
    """A business with a keyword reply, on a channel whose model is the simulator's."""
    models = f"{world.simulator.base}/openai/v1"
    config.use(replace(config.current(), openai_base_url=models, openai_api_key=MODEL_KEY))
    world.simulator.control("DELETE", "/openai")
    world.owner.post("/api/keyword-replies", {"keywords": ["hola"], "reply": "¡Bienvenido!"})
    return world


def add_bot(shop: World, **fields: Any) -> dict[str, Any]:
    made = shop.owner.post(
        "/bots",
        {
            "name": "Shop",
            "twilio_phone_number": shop.channel.phone_number,
            "debounce_seconds": 0,
            "shows_disclosure": False,
            **fields,
        },
    )
    assert made.status_code == 201, made.text
    bot: dict[str, Any] = made.json["data"]
    return bot


def script(shop: World, words: str) -> None:
    shop.simulator.control("PUT", "/openai/rules", {"rules": [{"do": "text", "text": words}]})


def asked(shop: World) -> int:
    return len(shop.simulator.control("GET", "/openai/log")["items"])


def turns(shop: World) -> list[Any]:
    return shop.sql("select * from recado.turns order by id")


def run_turns(shop: World) -> None:
    for row in shop.sql("select id from recado.conversations"):
        service.run_turn(shop.tenant.id, row.id)


def hears(shop: World, words: str) -> list[str]:
    """Write this on the phone; return what it shows of the business since then."""
    before = len(shown(shop))
    shop.write(PHONE, body=words)
    shop.apply()
    run_turns(shop)
    shop.deliver()
    return shown(shop)[before:]


def shown(shop: World) -> list[str]:
    bubbles = shop.simulator.control("GET", f"/phones/{PHONE}/messages")["messages"]
    number = f"whatsapp:{shop.channel.phone_number}"
    return [each["body"] for each in bubbles if each["from"] == number]


def test_from_the_phone_to_the_model_and_back(shop: World) -> None:
    add_bot(shop)
    script(shop, "Sí, hasta las **18**.")
    assert hears(shop, "¿Abren hoy?") == ["Sí, hasta las *18*."]
    (turn,) = turns(shop)
    reply = shop.message(turn.reply_id)
    assert (reply.sender, reply.status) == ("bot", "accepted")
    assert shop.conversations()[0]["owner"] == "bot"


def test_a_webhook_only_arms_the_turn(shop: World) -> None:
    add_bot(shop, debounce_seconds=15)
    shop.write(PHONE, body="¿Abren hoy?")
    shop.apply()
    run_turns(shop)
    assert [turn.state for turn in turns(shop)] == ["armed"]
    assert asked(shop) == 0


def test_a_keyword_comes_first_and_asks_no_model(shop: World) -> None:
    add_bot(shop)
    assert hears(shop, "¡Hola!") == ["¡Bienvenido!"]
    assert turns(shop) == []
    assert asked(shop) == 0


def test_a_message_that_only_begins_with_a_keyword_is_the_bots(shop: World) -> None:
    add_bot(shop)
    script(shop, "Sí.")
    assert hears(shop, "Hola, ¿abren hoy?") == ["Sí."]


def test_a_keyword_after_many_answers_does_not_pause_the_bot(shop: World) -> None:
    config.use(replace(config.current(), auto_replies_per_hour=1))
    add_bot(shop)
    for number in range(3):
        script(shop, f"Sí, {number}.")
        assert hears(shop, f"¿Abren a las {number}?") == [f"Sí, {number}."]
    assert hears(shop, "hola") == ["¡Bienvenido!"]
    script(shop, "De nada.")
    assert hears(shop, "gracias") == ["De nada."]


def test_keywords_can_be_left_to_the_bot(shop: World) -> None:
    add_bot(shop, keyword_replies_first=False)
    script(shop, "Soy el bot.")
    assert hears(shop, "hola") == ["Soy el bot."]


@pytest.mark.parametrize("has_bot", [True, False])
def test_keyword_replies_need_no_key_and_no_bot(shop: World, has_bot: bool) -> None:
    config.use(replace(config.current(), openai_api_key=""))
    if has_bot:
        add_bot(shop)
    assert hears(shop, "hola") == ["¡Bienvenido!"]


def test_without_a_bot_a_keyword_begins_a_message(shop: World) -> None:
    assert hears(shop, "hola, ¿abren hoy?") == ["¡Bienvenido!"]
    assert hears(shop, "¿abren hoy?") == []


def test_a_bot_that_is_switched_off_answers_nobody(shop: World) -> None:
    bot = add_bot(shop)
    shop.owner.put(f"/bots/{bot['id']}", {"is_enabled": False})
    assert hears(shop, "¿Abren hoy?") == []
    assert turns(shop) == []
    assert shop.conversations()[0]["owner"] == "nobody"
    shop.owner.put(f"/bots/{bot['id']}", {"is_enabled": True})
    script(shop, "Sí.")
    assert hears(shop, "¿Abren hoy?") == ["Sí."]


def test_a_version_without_the_newer_fields_has_their_defaults(shop: World) -> None:
    add_bot(shop)
    shop.sql(
        "insert into recado.bot_versions (tenant_id, id, bot_id, number, definition, created_by)"
        " select tenant_id, gen_random_uuid(), id, 2,"
        """ '{"openai_model": "gpt-6-luna"}', 'Ana' from recado.bots"""
    )
    shop.sql("update recado.bots set version = 2, latest_version = 2")
    assert hears(shop, "hola") == ["¡Bienvenido!"]
    assert hears(shop, "¿Abren hoy?") == []
    (turn,) = turns(shop)
    assert (turn.due_at - turn.armed_at).total_seconds() == 4


def test_a_test_key_never_arms_a_turn(shop: World, app: Flask, tenant: Tenant) -> None:
    add_bot(shop)
    _, key = create_api_key(tenant.id, mode=KeyMode.TEST)
    sent = ApiClient(app, key).post("/api/send", {"to_number": PHONE, "body": "¿Abren hoy?"})
    assert sent.status_code == 202, sent.text
    shop.deliver()
    run_turns(shop)
    assert turns(shop) == []
    assert asked(shop) == 0


def test_a_bot_never_reads_test_messages(shop: World, app: Flask, tenant: Tenant) -> None:
    add_bot(shop)
    _, key = create_api_key(tenant.id, mode=KeyMode.TEST)
    ApiClient(app, key).post("/api/send", {"to_number": PHONE, "body": "only a test"})
    shop.deliver()
    script(shop, "Sí.")
    hears(shop, "¿Abren hoy?")
    (item,) = shop.simulator.control("GET", "/openai/log")["items"]
    assert "only a test" not in str(item["body"])


def test_a_bot_answers_on_its_own_channel_only(shop: World, outsider: ApiClient) -> None:
    other = outsider.post("/bots", {"name": "B", "twilio_phone_number": shop.channel.phone_number})
    assert other.status_code == 422
    assert hears(shop, "¿Abren hoy?") == []
