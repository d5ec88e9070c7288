"""While the model thinks, the customer sees that an answer is being written."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from app import config
from app.bots import typing_indicator
from app.channels import cache
from app.channels.providers.registry import provider_of
from app.models import Channel
from tests.bots.studio import PHONE, Studio, saying
from tests.bots.turning import hear, rows, run, said
from tests.factories import TWILIO_AUTH_TOKEN
from tests.simulator.harness import Simulator

DISABLE = "update recado.channels set status = 'disabled'"
PAUSE = "update recado.channels set paused_until = now() + interval '1 minute'"
WAS_PAUSED = "update recado.channels set paused_until = now() - interval '1 minute'"


@pytest.fixture
def written(outer_world: Simulator, studio: Studio, channel: Channel) -> Iterator[str]:
    """The provider's id of a message that the customer wrote on the bot's channel."""
    sender = {"number": f"whatsapp:{channel.phone_number}", "inbound_url": ""}
    account = {"auth_token": TWILIO_AUTH_TOKEN, "senders": [sender]}
    outer_world.control("PUT", f"/accounts/{channel.account}", account)
    outer_world.control("DELETE", "/log")
    config.use(replace(config.current(), twilio_api_base_url=outer_world.base))
    cache.forget_all()
    body = {"to": sender["number"], "body": "¿Abren hoy?"}
    sid: str = outer_world.control("POST", f"/phones/{PHONE}/messages", body)["sid"]
    yield sid
    settle()
    cache.forget_all()


def settle() -> None:
    """Wait until no indicator is in progress."""
    for _ in range(typing_indicator.MOST_AT_ONCE):
        assert typing_indicator._free.acquire(timeout=5)
    typing_indicator._free.release(typing_indicator.MOST_AT_ONCE)


def shown(simulator: Simulator) -> list[str]:
    settle()
    return [entry["sid"] for entry in simulator.log("typing")]


def answer(studio: Studio, sid: str | None, **fields: Any) -> None:
    """Let the bot answer a message that the provider knows by this id."""
    hear(studio.conversation, "¿Abren hoy?", provider_message_id=sid, **fields)
    studio.run()


def test_it_is_shown_once_and_the_message_is_read(
    studio: Studio, outer_world: Simulator, written: str
) -> None:
    hear(studio.conversation, "hola")
    answer(studio, written)
    assert len(said(studio.conversation)) == 1
    assert shown(outer_world) == [written]
    (message,) = [
        each
        for each in outer_world.control("GET", f"/phones/{PHONE}/messages")["messages"]
        if each["sid"] == written
    ]
    assert message["details"]["read_by_business"]


def test_the_field_switches_it_off(studio: Studio, outer_world: Simulator, written: str) -> None:
    studio.change(shows_typing=False)
    answer(studio, written)
    assert said(studio.conversation)
    assert shown(outer_world) == []


@pytest.mark.parametrize("change", [DISABLE, PAUSE])
def test_nothing_is_shown_while_the_channel_sends_nothing(
    studio: Studio, outer_world: Simulator, written: str, change: str
) -> None:
    rows(studio.conversation, change)
    answer(studio, written)
    assert len(studio.asked()) == 1
    assert shown(outer_world) == []


def test_a_pause_that_is_over_does_not_matter(
    studio: Studio, outer_world: Simulator, written: str
) -> None:
    rows(studio.conversation, WAS_PAUSED)
    answer(studio, written)
    assert shown(outer_world) == [written]


def test_nothing_is_shown_when_the_model_is_not_asked(
    studio: Studio, outer_world: Simulator, written: str
) -> None:
    hear(studio.conversation, "persona", provider_message_id=written)
    studio.run()
    assert studio.asked() == []
    assert shown(outer_world) == []


def test_a_message_that_the_provider_does_not_know_needs_none(
    studio: Studio, outer_world: Simulator, written: str
) -> None:
    answer(studio, None)
    assert said(studio.conversation)
    assert shown(outer_world) == []


def test_a_turn_that_is_begun_again_shows_it_no_more(
    studio: Studio, outer_world: Simulator, written: str
) -> None:
    def die(*_: Any) -> Any:
        raise SystemExit

    hear(studio.conversation, provider_message_id=written)
    with pytest.raises(SystemExit):
        run(studio.conversation, die)
    studio.lose_worker()
    studio.run()
    assert said(studio.conversation)
    assert shown(outer_world) == []


def test_a_provider_without_it_is_not_asked(
    studio: Studio, outer_world: Simulator, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = provider_of("twilio")
    poor = replace(provider.capabilities, shows_typing=False)
    monkeypatch.setattr(provider, "capabilities", poor)
    answer(studio, written)
    assert said(studio.conversation)
    assert shown(outer_world) == []


def test_a_refusal_is_logged_without_content_and_not_repeated(
    studio: Studio, outer_world: Simulator, written: str
) -> None:
    unknown = f"SM{'0' * 32}"
    with capture_logs() as logs:
        answer(studio, unknown)
        assert shown(outer_world) == []
    assert said(studio.conversation)
    (line,) = [each for each in logs if each["event"].startswith("typing")]
    assert line == {
        "event": "typing_not_shown",
        "log_level": "info",
        "turn_id": str(studio.turn().id),
        "error": "ProviderUnavailable",
    }


def test_a_provider_that_hangs_does_not_delay_the_answer(
    studio: Studio, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun, may_end = threading.Event(), threading.Event()

    def hang(*_: Any) -> None:
        has_begun.set()
        may_end.wait(20)

    monkeypatch.setattr(typing_indicator, "_ask_provider", hang)
    studio.script(saying("Sí."))
    try:
        answer(studio, written)
        assert has_begun.wait(5)
        assert said(studio.conversation) == ["Sí."]
    finally:
        may_end.set()


def test_too_many_at_once_are_left_out(
    studio: Studio, outer_world: Simulator, written: str
) -> None:
    for _ in range(typing_indicator.MOST_AT_ONCE):
        typing_indicator._free.acquire()
    try:
        answer(studio, written)
        assert said(studio.conversation)
    finally:
        typing_indicator._free.release(typing_indicator.MOST_AT_ONCE)
    assert shown(outer_world) == []
