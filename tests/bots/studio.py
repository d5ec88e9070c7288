"""A bot with a simulated model and a simulated business, and a customer who writes to it."""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app import db
from app.bots import service
from app.models import Conversation
from tests.bots.turning import hear, rows, said
from tests.factories import ApiClient
from tests.simulator.harness import Simulator, wait_until

MODEL_KEY = "sk-model-of-bot-tests"
SHOP_KEY = "business-of-bot-tests"
PHONE = "+15551234567"

FIND_ORDER: dict[str, Any] = {
    "name": "find_order",
    "description": "Looks up an order by its number.",
    "parameters": {
        "type": "object",
        "properties": {"number": {"type": "string"}},
        "required": ["number"],
    },
}
BOOK: dict[str, Any] = {
    "name": "book_appointment",
    "description": "Books an appointment.",
    "parameters": {
        "type": "object",
        "properties": {"service": {"type": "string"}, "starts_at": {"type": "string"}},
        "required": ["service", "starts_at"],
    },
}
ACTIONS: list[dict[str, Any]] = [
    {
        "name": "find_order",
        "path": "/orders/{number}",
        "query": {"phone": "{contact.phone}"},
    },
    {
        "name": "book_appointment",
        "method": "POST",
        "path": "/appointments",
        "body": {
            "phone": "{contact.phone}",
            "service": "{service}",
            "starts_at": "{starts_at}",
        },
    },
]
HAIRCUT = {"service": "Haircut", "starts_at": "2027-01-20T15:00:00Z"}


def calling(name: str, arguments: Any, **fields: Any) -> dict[str, Any]:
    """Return a rule by which the model calls a function, once."""
    return {"do": "calls", "calls": [{"name": name, "arguments": arguments}], "next": 1, **fields}


def saying(words: str, **fields: Any) -> dict[str, Any]:
    return {"do": "text", "text": words, **fields}


@dataclass
class Studio:
    """`conversation` is with a customer whose phone is PHONE."""

    simulator: Simulator
    api: ApiClient
    conversation: Conversation
    bot: dict[str, Any]

    def change(self, **fields: Any) -> None:
        answer = self.api.put(f"/bots/{self.bot['id']}", fields)
        assert answer.status_code == 200, answer.text

    def script(self, *rules: dict[str, Any]) -> None:
        """Have the model do this instead of what it would do by itself."""
        body = {"key": MODEL_KEY, "rules": list(rules)}
        self.simulator.control("PUT", "/openai/rules", body)

    def asked(self) -> list[dict[str, Any]]:
        """Return the bodies of the requests to the model."""
        items = self.simulator.control("GET", f"/openai/log?key={MODEL_KEY}")["items"]
        return [item["body"] for item in items]

    def disturb(self, *faults: dict[str, Any]) -> None:
        path = f"/business/accounts/{SHOP_KEY}/faults"
        self.simulator.control("PUT", path, {"rules": list(faults)})

    def called(self, method: str | None = None) -> list[dict[str, Any]]:
        """Return the requests to the business."""
        items = self.simulator.control("GET", f"/business/log?key={SHOP_KEY}")["items"]
        return [item for item in items if method in (None, item["method"])]

    def booked(self) -> list[str]:
        """Return the services of the appointments that were made for the customer."""
        account = self.simulator.control("GET", f"/business/accounts/{SHOP_KEY}")
        made = [each for each in account["appointments"] if each["id"] not in {"AP-1", "AP-2"}]
        return [each["service"] for each in made if each["phone"] == PHONE]

    @property
    def phone(self) -> str:
        """The number by which the contact is known."""
        query = "select value from recado.contact_aliases"
        return str(rows(self.conversation, query)[0].value)

    def run(self) -> None:
        service.run_turn(self.conversation.tenant_id, self.conversation.id)

    def ask(self, words: str) -> list[str]:
        """Write this as the customer, let the bot answer, and return what it said."""
        before = len(said(self.conversation))
        hear(self.conversation, words)
        self.run()
        return said(self.conversation)[before:]

    def turn(self) -> Any:
        """Return the newest turn."""
        return rows(self.conversation, "select * from recado.turns order by id desc limit 1")[0]

    def wait_until_it_thinks(self) -> None:
        """Return once a turn is running and its model was asked."""
        query = text("select 1 from recado.turns where state = 'running'")

        def is_running() -> bool:
            with db.tenant_session(self.conversation.tenant_id) as session:
                return session.execute(query).first() is not None

        wait_until(is_running)
        time.sleep(0.2)

    def lose_worker(self) -> None:
        """Let the lease of the running turn end, as when its worker has died."""
        rows(
            self.conversation,
            "update recado.turns set lease_until = now() - interval '1 second'"
            " where state = 'running'",
        )


def tool_results(body: dict[str, Any]) -> list[str]:
    """Return the results of tools that a request to the model carries."""
    return [each["output"] for each in body["input"] if each.get("type") == "function_call_output"]


def bot_id(studio: Studio) -> UUID:
    return UUID(studio.bot["id"])
