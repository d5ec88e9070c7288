"""What a business account holds, and what it holds at the start."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from simulator.records import NUMBER

DEMO_KEY: Final = "business-demo-key"

_ITEMS: Final = {
    "coffee": {"name": "Ground coffee 500 g", "quantity": 2, "price": "9.50"},
    "mug": {"name": "Mug", "quantity": 1, "price": "12.00"},
    "filters": {"name": "Paper filters", "quantity": 3, "price": "3.20"},
}


@dataclass(frozen=True)
class Order:
    number: str
    phone: str
    status: str
    items: list[dict[str, Any]]
    total: str
    currency: str
    placed_at: str
    expected_on: str | None = None
    tracking: str | None = None


@dataclass
class Appointment:
    """`status` is booked or cancelled."""

    id: str
    phone: str
    service: str
    starts_at: str
    status: str = "booked"
    note: str | None = None


def demo_orders() -> list[Order]:
    coffee, mug, filters = _ITEMS["coffee"], _ITEMS["mug"], _ITEMS["filters"]
    return [
        Order(
            *("1042", "+15551234567", "shipped", [coffee, mug], "31.00", "USD"),
            *("2026-11-20T15:04:00Z", "2026-11-28", "TR-88231"),
        ),
        Order(
            *("1043", "+573001234567", "paid", [filters], "9.60", "USD"),
            *("2026-11-22T09:30:00Z", "2026-12-02"),
        ),
        Order(
            *("1044", "+5215512345678", "delivered", [mug], "12.00", "USD"),
            *("2026-11-10T18:20:00Z", "2026-11-15", "TR-87110"),
        ),
        Order(
            *("1045", "+15551234567", "preparing", [coffee], "19.00", "USD"),
            *("2026-11-24T11:00:00Z", "2026-12-03"),
        ),
        Order(
            *("1046", "+525512345679", "cancelled", [filters, mug], "21.60", "USD"),
            "2026-11-18T08:15:00Z",
        ),
    ]


def demo_appointments() -> list[Appointment]:
    return [
        Appointment("AP-1", "+15551234567", "Haircut", "2027-01-12T15:00:00Z"),
        Appointment("AP-2", "+573001234567", "Haircut", "2027-01-12T16:00:00Z"),
    ]


@dataclass
class Account:
    """A business of its own; an API key names it."""

    orders: dict[str, Order] = field(default_factory=dict)
    appointments: dict[str, Appointment] = field(default_factory=dict)
    answers: dict[str, tuple[Any, dict[str, Any]]] = field(default_factory=dict)
    """Idempotency key → the body it came with, and the answer."""

    def book(self, phone: str, service: str, starts_at: str, note: str | None) -> Appointment:
        made = Appointment(f"AP-{len(self.appointments) + 1}", phone, service, starts_at, note=note)
        self.appointments[made.id] = made
        return made

    def to_json(self) -> dict[str, Any]:
        return {
            "orders": [asdict(order) for order in self.orders.values()],
            "appointments": [asdict(each) for each in self.appointments.values()],
        }


def account_from(data: dict[str, Any]) -> Account:
    """Return an account with the given `orders` and `appointments`, or those of the demonstration.

    Raises ValueError or TypeError for records that do not have their form.
    """
    unknown = set(data) - {"orders", "appointments"}
    if unknown:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
    orders = [Order(**o) for o in data["orders"]] if "orders" in data else demo_orders()
    appointments = demo_appointments()
    if "appointments" in data:
        appointments = [Appointment(**each) for each in data["appointments"]]
    return Account({o.number: o for o in orders}, {each.id: each for each in appointments})


def phone_problem(phone: Any) -> str | None:
    if isinstance(phone, str) and NUMBER.match(phone):
        return None
    return "must be a number in E.164, such as +15551234567"


def moment_problem(moment: Any) -> str | None:
    try:
        read = datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        return "must look like 2027-01-12T15:00:00Z"
    return None if read.tzinfo else "must have a time zone, such as Z"
