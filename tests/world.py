"""The outside world for one test: the simulator, our web service on a socket, one business.

No worker runs here: a test does each step itself (`deliver`, `apply`, `settle`), so that it can
check the state in between.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import text
from werkzeug.serving import make_server

from app import config, db
from app.channels import cache
from app.common.ids import new_id
from app.delivery import settle
from app.delivery.claims import Queue
from app.delivery.engine import Engine
from app.inbox import apply
from app.messages import repository
from app.models import Channel, Message, Tenant
from app.tasks import names
from simulator.settings import Settings as SimulatorSettings
from tests.factories import ApiClient, create_channel
from tests.simulator.harness import Simulator, wait_until


@lru_cache
def engine_of_tests() -> Engine:
    """One for all tests of this process, as a worker has one."""
    return Engine(names.DELIVER_CHANNEL)


TIME_SCALE = 0.02
"""The simulator's people read and answer fifty times as fast."""


@dataclass
class World:
    """A business with one channel, and the phones of its customers."""

    simulator: Simulator
    tenant: Tenant
    channel: Channel
    owner: ApiClient
    base_url: str

    def send(self, **body: Any) -> UUID:
        """POST /api/send as the owner; by default a text to the README's phone."""
        body = {"to_number": "+15551234567", "body": "¡Hola!", **body}
        answer = self.owner.post("/api/send", body)
        assert answer.status_code == 202, answer.json
        return UUID(answer.json["message_id"])

    def message(self, message_id: UUID) -> Message:
        with db.tenant_session(self.tenant.id) as session:
            found = repository.get(session, self.tenant.id, message_id)
            assert found is not None
            return found

    def deliver(self) -> None:
        """Send what is due on the channel."""
        self.wake()
        assert engine_of_tests().wait_until_idle(30)

    def wake(self) -> None:
        """Have the due messages of the channel sent, without waiting for it."""
        engine_of_tests().wake(Queue(self.tenant.id, self.channel.id))

    def settle(self) -> None:
        """Settle uncertain messages, as if their wait were over."""
        self.sql("update recado.messages set lease_until = now() where lease_until is not null")
        while settle.settle_some(self.tenant.id, self.channel.id):
            pass

    def apply(self) -> None:
        """Apply what the provider has sent us so far."""
        while apply.apply_due(self.tenant.id):
            pass

    def sql(self, statement: str, **values: Any) -> list[Any]:
        """Run SQL as this tenant; returns rows if there are any."""
        with db.tenant_session(self.tenant.id) as session:
            result: Any = session.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    def wait_for(self, message_id: UUID, status: str) -> Message:
        """Apply receipts until the message has this status."""

        def there() -> Message | None:
            self.apply()
            message = self.message(message_id)
            return message if message.status == status else None

        found: Message = wait_until(there)
        return found

    def write(self, phone: str = "+15551234567", **what: Any) -> dict[str, Any]:
        """Write to the business as a person; the webhook has been answered when this returns."""
        return self.simulator.write(phone, to=f"whatsapp:{self.channel.phone_number}", **what)

    def open_window(self, phone: str) -> None:
        sender = f"whatsapp:{self.channel.phone_number}"
        path = f"/phones/{phone}/window"
        self.simulator.control("POST", path, {"action": "open", "sender": sender})

    def conversations(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.owner.get("/api/whatsapp/conversations").json["items"]
        return items


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve the web service on a loopback socket; yields its base URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


@contextmanager
def settings_changed(**changes: Any) -> Iterator[None]:
    """Change settings for a while."""
    before = config.current()
    config.use(replace(before, **changes))
    cache.forget_all()
    try:
        yield
    finally:
        config.use(before)
        cache.forget_all()


@contextmanager
def outside(app: Flask) -> Iterator[tuple[Simulator, str]]:
    """Start the simulator and our service, each with the other's address."""
    with serving(app) as base_url:
        simulator = Simulator(
            SimulatorSettings(
                port=0,
                time_scale=TIME_SCALE,
                inbound_url=f"{base_url}/webhook/twilio",
                fetch_media=False,
            )
        )
        try:
            with settings_changed(
                public_base_url=base_url,
                twilio_api_base_url=simulator.base,
                provider_timeout_seconds=2,
            ):
                yield simulator, base_url
        finally:
            simulator.close()


def settle_in(
    simulator: Simulator, base_url: str, tenant: Tenant, sign_in: Callable[[], ApiClient]
) -> World:
    """Give the tenant an account and a sender in the simulator, and create its channel here."""
    account, token = f"AC{new_id().hex}", new_id().hex
    number = f"+1415{new_id().int % 10_000_000:07d}"
    sender = {"number": f"whatsapp:{number}", "inbound_url": f"{base_url}/webhook/twilio"}
    simulator.control("PUT", f"/accounts/{account}", {"auth_token": token, "senders": [sender]})
    channel = create_channel(
        tenant.id,
        account=account,
        phone_number=number,
        is_default=True,
        credentials={"account_sid": account, "auth_token": token},
    )
    world = World(simulator, tenant, channel, sign_in(), base_url)
    world.open_window("+15551234567")
    return world
