"""The OpenAPI document of the business API."""

from typing import Any, Final

_TEXT: Final = {"type": "string"}
_OPTIONAL: Final = {"type": ["string", "null"]}
_PHONE: Final = {"type": "string", "pattern": r"^\+[1-9]\d{1,14}$", "examples": ["+15551234567"]}
_MOMENT: Final = {"type": "string", "format": "date-time"}

_SCHEMAS: Final[dict[str, Any]] = {
    "Order": {
        "type": "object",
        "required": ["number", "phone", "status", "items", "total", "currency", "placed_at"],
        "properties": {
            "number": {"type": "string", "examples": ["1042"]},
            "phone": _PHONE,
            "status": {"enum": ["paid", "preparing", "shipped", "delivered", "cancelled"]},
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": _TEXT,
                        "quantity": {"type": "integer"},
                        "price": _TEXT,
                    },
                },
            },
            "total": {"type": "string", "examples": ["31.00"]},
            "currency": {"type": "string", "examples": ["USD"]},
            "placed_at": _MOMENT,
            "expected_on": {"type": ["string", "null"], "format": "date"},
            "tracking": _OPTIONAL,
        },
    },
    "Appointment": {
        "type": "object",
        "required": ["id", "phone", "service", "starts_at", "status"],
        "properties": {
            "id": {"type": "string", "examples": ["AP-1"]},
            "phone": _PHONE,
            "service": _TEXT,
            "starts_at": _MOMENT,
            "status": {"enum": ["booked", "cancelled"]},
            "note": _OPTIONAL,
        },
    },
    "NewAppointment": {
        "type": "object",
        "required": ["phone", "service", "starts_at"],
        "additionalProperties": False,
        "properties": {
            "phone": _PHONE,
            "service": _TEXT,
            "starts_at": _MOMENT,
            "note": _OPTIONAL,
        },
    },
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {
            "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {"code": _TEXT, "message": _TEXT},
            }
        },
    },
}


def _answer(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(name: str, item: str) -> dict[str, Any]:
    items = {name: {"type": "array", "items": _ref(item)}}
    return {"type": "object", "required": [name], "properties": items}


def _in(place: str, name: str, description: str, *, required: bool) -> dict[str, Any]:
    schema = _PHONE if name == "phone" else _TEXT
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": description,
        "schema": schema,
    }


_OWNER: Final = _in("query", "phone", "Only if it belongs to this phone.", required=False)
_OF_PHONE: Final = _in("query", "phone", "The customer's phone.", required=True)
_REFUSED: Final = {
    "401": _answer("The API key is missing or unknown.", _ref("Error")),
    "422": _answer("A value is not valid.", _ref("Error")),
}
_NOT_FOUND: Final = {"404": _answer("Not found.", _ref("Error"))}

DOCUMENT: Final[dict[str, Any]] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Horizon, the simulator's business API",
        "version": "1.0.0",
        "description": "Orders and appointments of a made-up business, for development and tests.",
    },
    "servers": [{"url": "/business"}],
    "security": [{"bearer": []}, {"apiKey": []}],
    "paths": {
        "/orders": {
            "get": {
                "operationId": "list_orders",
                "summary": "List the orders of a phone",
                "parameters": [_OF_PHONE],
                "responses": {"200": _answer("The orders.", _list("orders", "Order")), **_REFUSED},
            }
        },
        "/orders/{number}": {
            "get": {
                "operationId": "get_order",
                "summary": "Look up an order by its number",
                "parameters": [
                    _in("path", "number", "The order's number.", required=True),
                    _OWNER,
                ],
                "responses": {
                    "200": _answer("The order.", _ref("Order")),
                    **_REFUSED,
                    **_NOT_FOUND,
                },
            }
        },
        "/appointments": {
            "get": {
                "operationId": "list_appointments",
                "summary": "List the appointments of a phone",
                "parameters": [_OF_PHONE],
                "responses": {
                    "200": _answer("The appointments.", _list("appointments", "Appointment")),
                    **_REFUSED,
                },
            },
            "post": {
                "operationId": "book_appointment",
                "summary": "Book an appointment",
                "parameters": [
                    _in(
                        *("header", "Idempotency-Key"),
                        "A repeat with the same key and body has the same answer.",
                        required=False,
                    )
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": _ref("NewAppointment")}},
                },
                "responses": {
                    "201": _answer("The appointment.", _ref("Appointment")),
                    "409": _answer("The key was used with another body.", _ref("Error")),
                    **_REFUSED,
                },
            },
        },
        "/appointments/{id}": {
            "delete": {
                "operationId": "cancel_appointment",
                "summary": "Cancel an appointment",
                "parameters": [
                    _in("path", "id", "The appointment's id.", required=True),
                    _OWNER,
                ],
                "responses": {
                    "200": _answer("The cancelled appointment.", _ref("Appointment")),
                    **_REFUSED,
                    **_NOT_FOUND,
                },
            }
        },
    },
    "components": {
        "schemas": _SCHEMAS,
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        },
    },
}
