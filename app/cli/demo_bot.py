"""The bot of the demonstration: it looks up orders and books appointments at Horizon, the business
that the simulator plays."""

from typing import Any, Final
from uuid import UUID

from app import db
from app.ai.types import Tool
from app.bots import manage
from app.bots.definition import Action, Effect, Json
from app.bots.errors import BotExists
from app.common.pagination import PageRequest

NAME: Final = "Horizon"
HORIZON_KEY: Final = "business-demo-key"

INSTRUCTIONS: Final = """\
You work for Horizon, a shop that sells coffee by mail and cuts hair in its barber's chair. You \
tell customers where their orders are, and book appointments for them. Look things up before you \
answer."""


def _tool(name: str, description: str, **properties: Json) -> Tool:
    """Return a strict tool; all its arguments are required."""
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return Tool(name, description, schema, is_strict=True)


TOOLS: Final = (
    _tool(
        "get_order",
        "Looks up one order by its number.",
        number={"type": "string", "description": "The order's number, such as 1042."},
    ),
    _tool("list_orders", "Lists all orders of this customer."),
    _tool("list_appointments", "Lists the appointments of this customer."),
    _tool(
        "book_appointment",
        "Books an appointment for this customer.",
        starts_at={"type": "string", "description": "Such as 2027-01-12T15:00:00Z."},
    ),
)
OF_CUSTOMER: Final[Json] = {"phone": "{contact.phone}"}
ACTIONS: Final = (
    Action("get_order", "GET", "/orders/{number}", OF_CUSTOMER),
    Action("list_orders", "GET", "/orders", OF_CUSTOMER),
    Action("list_appointments", "GET", "/appointments", OF_CUSTOMER),
    Action(
        "book_appointment",
        "POST",
        "/appointments",
        {},
        {**OF_CUSTOMER, "service": "Haircut", "starts_at": "{starts_at}"},
        Effect.WRITE,
    ),
)


def ensure_bot(tenant_id: UUID, phone_number: str, simulator_url: str) -> None:
    """Create the bot unless the channel has one. The one of an earlier start learns the simulator's
    address of today."""
    server = {"base_url": f"{simulator_url.rstrip('/')}/business", "api_key": HORIZON_KEY}
    servers = {"servers": {"actions": server}}
    try:
        with db.tenant_session(tenant_id) as session:
            manage.create(session, None, {**_new(phone_number), **servers})
    except BotExists:
        with db.tenant_session(tenant_id) as session:
            for bot in manage.list_bots(session, PageRequest()).items:
                if bot.name == NAME and bot.actions.base_url != server["base_url"]:
                    manage.change(session, None, bot.id, {"definition": {}, **servers})


def _new(phone_number: str) -> dict[str, Any]:
    definition = {
        "instructions": INSTRUCTIONS,
        "tools": TOOLS,
        "actions": ACTIONS,
        "debounce_seconds": 1,
    }
    return {"name": NAME, "phone_number": phone_number, "definition": definition}
