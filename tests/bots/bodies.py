"""Bodies of `POST /bots`, and bots that are made with them."""

from typing import Any
from uuid import UUID

from tests.factories import Answer, ApiClient, create_channel

PATH = "/bots"

PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "note": {"type": "string"}},
    "required": ["order_id"],
}
FUNCTION: dict[str, Any] = {
    "name": "find_order",
    "description": "Finds an order.",
    "parameters": PARAMETERS,
}
ACTION: dict[str, Any] = {
    "name": "find_order",
    "method": "GET",
    "path": "/orders/{order_id}",
    "query": {"phone": "{contact.phone}"},
}


def body(tenant_id: UUID, **fields: Any) -> dict[str, Any]:
    """Return the body of a new bot, on a channel of its own."""
    number = create_channel(tenant_id).phone_number
    return {"name": "Orders", "twilio_phone_number": number, **fields}


def post(client: ApiClient, **fields: Any) -> Answer:
    return client.post(PATH, body(client.tenant_id, **fields))


def make(client: ApiClient, **fields: Any) -> dict[str, Any]:
    """Create a bot and return it."""
    answer = post(client, **fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json["data"]
    return made


def path_of(bot: dict[str, Any]) -> str:
    return f"{PATH}/{bot['id']}"


def reasons(answer: Answer) -> dict[str, list[str]]:
    """Return the wrong fields of a refusal, each with its reasons."""
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error"), answer.text
    found: dict[str, list[str]] = answer.json["details"]["fields"]
    return found
