from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app import config
from app.ai import client
from app.bots import running, turns
from app.common import clock
from app.config import Settings
from app.models import Bot, Channel, Conversation, Tenant
from app.tasks import due
from simulator.settings import Settings as SimulatorSettings
from tests.bots.studio import ACTIONS, BOOK, FIND_ORDER, MODEL_KEY, PHONE, SHOP_KEY, Studio
from tests.factories import ApiClient, create_bot, create_channel, create_conversation
from tests.simulator.harness import Simulator


@pytest.fixture(autouse=True)
def _settings_back(app: Flask) -> Iterator[None]:
    """Undo what a test changes of the settings."""
    before = config.current()
    client.refuses_temperature.forget()
    client.has_chat_only.forget()
    yield
    config.use(before)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The tasks that were enqueued, as (task, *ids, countdown)."""
    calls: list[tuple[Any, ...]] = []

    def note(task: str, *ids: Any, countdown: float = 0.0) -> None:
        calls.append((task, *ids, countdown))

    for module in (turns, running, due):
        monkeypatch.setattr(module, "send", note)
    return calls


@pytest.fixture
def channel(tenant: Tenant) -> Channel:
    return create_channel(tenant.id)


@pytest.fixture
def bot(tenant: Tenant, channel: Channel) -> Bot:
    return create_bot(tenant.id, channel=channel)


@pytest.fixture
def conversation(
    tenant: Tenant, channel: Channel, bot: Bot, sent: list[tuple[Any, ...]]
) -> Conversation:
    """A conversation with a bot, within the window."""
    return create_conversation(tenant.id, channel=channel, last_inbound_at=clock.now())


@pytest.fixture(scope="module")
def outer_world() -> Iterator[Simulator]:
    simulator = Simulator(SimulatorSettings(port=0, fetch_media=False))
    yield simulator
    simulator.close()


@pytest.fixture
def studio(
    outer_world: Simulator,
    settings: Settings,
    tenant: Tenant,
    channel: Channel,
    signed_in: ApiClient,
    sent: list[tuple[Any, ...]],
) -> Studio:
    """A bot that looks up orders and books appointments, with the installation's model."""
    outer_world.control("DELETE", "/openai")
    outer_world.control("PUT", f"/openai/keys/{MODEL_KEY}", {})
    outer_world.control("PUT", f"/business/accounts/{SHOP_KEY}", {})
    outer_world.control("DELETE", "/business/log")
    host = outer_world.base.removeprefix("http://")
    config.use(
        replace(
            settings,
            openai_base_url=f"{outer_world.base}/openai/v1",
            openai_api_key=MODEL_KEY,
            allowed_private_hosts=(host,),
        )
    )
    made = signed_in.post(
        "/bots",
        {
            "name": "Orders",
            "twilio_phone_number": channel.phone_number,
            "assistant_functions": [FIND_ORDER, BOOK],
            "horizon_actions": ACTIONS,
            "actions": {"base_url": f"{outer_world.base}/business", "api_key": SHOP_KEY},
            "shows_disclosure": False,
        },
    )
    assert made.status_code == 201, made.text
    conversation = create_conversation(
        tenant.id, channel=channel, address=PHONE, last_inbound_at=clock.now()
    )
    return Studio(outer_world, signed_in, conversation, made.json["data"])
