"""Orders and appointments."""

from dataclasses import asdict
from typing import Any, Final

from aiohttp import web

from simulator.business.data import moment_problem, phone_problem
from simulator.business.document import DOCUMENT
from simulator.business.serving import Call, Problem, endpoint

PREFIX: Final = "/business"


def _phone(call: Call) -> str | None:
    """Return the phone of the query; a plus sign that was not escaped arrives as a space."""
    given = call.request.query.get("phone")
    if given is None:
        return None
    phone = "+" + given.strip().removeprefix("+")
    if problem := phone_problem(phone):
        raise Problem(422, "invalid", f"phone {problem}")
    return phone


def _required_phone(call: Call) -> str:
    phone = _phone(call)
    if phone is None:
        raise Problem(422, "invalid", "phone is required")
    return phone


def fetch_order(call: Call) -> tuple[int, Any]:
    """With `phone`, an order of somebody else is not found."""
    number, phone = call.request.match_info["number"], _phone(call)
    order = call.account.orders.get(number)
    if order is None or phone not in (None, order.phone):
        raise Problem(404, "not_found", f"There is no order {number}.")
    return 200, asdict(order)


def list_orders(call: Call) -> tuple[int, Any]:
    phone = _required_phone(call)
    return 200, {"orders": [asdict(o) for o in call.account.orders.values() if o.phone == phone]}


def list_appointments(call: Call) -> tuple[int, Any]:
    phone = _required_phone(call)
    found = [a for a in call.account.appointments.values() if a.phone == phone]
    return 200, {"appointments": [asdict(appointment) for appointment in found]}


def book_appointment(call: Call) -> tuple[int, Any]:
    """With an Idempotency-Key that was used before, answer as before, or 409 for another body."""
    key = call.request.headers.get("Idempotency-Key")
    if key in call.account.answers:
        body, answer = call.account.answers[key]
        if body != call.body:
            message = "This Idempotency-Key was used with another body."
            raise Problem(409, "idempotency_conflict", message)
        call.headers["Idempotency-Replayed"] = "true"
        return 201, answer
    answer = asdict(call.account.book(*_booking(call.body)))
    if key:
        call.account.answers[key] = (call.body, answer)
    return 201, answer


def _booking(body: Any) -> tuple[str, str, str, str | None]:
    if not isinstance(body, dict):
        raise Problem(422, "invalid", "The body must be a JSON object.")
    if unknown := set(body) - {"phone", "service", "starts_at", "note"}:
        raise Problem(422, "invalid", f"unknown fields: {', '.join(sorted(unknown))}")
    service, note = body.get("service"), body.get("note")
    if problem := phone_problem(body.get("phone")):
        raise Problem(422, "invalid", f"phone {problem}")
    if problem := moment_problem(body.get("starts_at")):
        raise Problem(422, "invalid", f"starts_at {problem}")
    if not isinstance(service, str) or not service.strip():
        raise Problem(422, "invalid", "service is required")
    if note is not None and not isinstance(note, str):
        raise Problem(422, "invalid", "note must be text")
    return body["phone"], service, body["starts_at"], note


def cancel_appointment(call: Call) -> tuple[int, Any]:
    """Cancelling twice gives the same answer."""
    appointment_id, phone = call.request.match_info["id"], _phone(call)
    found = call.account.appointments.get(appointment_id)
    if found is None or phone not in (None, found.phone):
        raise Problem(404, "not_found", f"There is no appointment {appointment_id}.")
    found.status = "cancelled"
    return 200, asdict(found)


async def document(_: web.Request) -> web.StreamResponse:
    return web.json_response(DOCUMENT)


def business_routes() -> list[web.RouteDef]:
    return [
        web.get(f"{PREFIX}/openapi.json", document),
        web.get(f"{PREFIX}/orders", endpoint(list_orders)),
        web.get(f"{PREFIX}/orders/{{number}}", endpoint(fetch_order)),
        web.get(f"{PREFIX}/appointments", endpoint(list_appointments)),
        web.post(f"{PREFIX}/appointments", endpoint(book_appointment)),
        web.delete(f"{PREFIX}/appointments/{{id}}", endpoint(cancel_appointment)),
    ]
