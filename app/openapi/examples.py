"""Examples of requests, and of answers, which are made from their schemas."""

from typing import Any

from app.errors import EXAMPLE_ID as ID

Json = dict[str, Any]

TIME = "2026-03-02T15:04:05Z"
CREDENTIALS = {
    "account_sid": "AC0000000000000000000000000000de30",
    "auth_token": "de300000000000000000000000000000",
}
TEMPLATE = "HX00000000000000000000000000000004"

BOT: Json = {
    "name": "Orders",
    "twilio_phone_number": "+14155238886",
    "instructions": "You answer questions about orders.",
    "openai_model": "gpt-6-luna",
    "assistant_functions": [
        {
            "type": "function",
            "name": "find_order",
            "description": "Finds an order by its number.",
            "parameters": {
                "type": "object",
                "properties": {"order_id": {"type": "string"}},
                "required": ["order_id"],
            },
        }
    ],
    "horizon_actions": [
        {
            "name": "find_order",
            "method": "GET",
            "path": "/orders/{order_id}",
            "query": {"phone": "{contact.phone}"},
        }
    ],
    "actions": {"base_url": "https://shop.example.com/api", "api_key": "shop-0000000000000000"},
    "metadata": {"team": "sales"},
}

REQUESTS: dict[str, dict[str, Json]] = {
    "login": {"demo": {"username": "demo", "password": "password"}},
    "refresh_sign_in": {"refresh": {"refresh_token": "eyJhbGciOi…"}},
    "change_password": {
        "change": {"current_password": "password", "new_password": "a sentence nobody guesses"}
    },
    "begin_second_factor": {"begin": {"current_password": "password"}},
    "confirm_second_factor": {"confirm": {"code": "123456"}},
    "remove_second_factor": {"remove": {"current_password": "password", "code": "123456"}},
    "create_channel": {
        "twilio": {
            "name": "Shop",
            "provider": "twilio",
            "phone_number": "+14155238886",
            "credentials": CREDENTIALS,
        }
    },
    "change_channel": {
        "rename": {"name": "Shop in Lima"},
        "rotate": {"credentials": {"auth_token": "de310000000000000000000000000000"}},
        "disable": {"status": "disabled"},
    },
    "send": {
        "text": {"to_number": "whatsapp:+15551234567", "body": "¡Hola desde la API!"},
        "media": {
            "to_number": "+15551234567",
            "media_url": "https://example.com/menu.jpg",
            "body": "Today's menu",
        },
        "template": {
            "to_number": "+15551234567",
            "content_sid": TEMPLATE,
            "content_variables": {"1": "1042", "2": "on its way"},
        },
    },
    "send_message": {
        "text": {"phone": "+15551234567", "message": "Your order is ready.", "use_queue": True}
    },
    "send_whatsapp": {
        "template": {
            "to_number": "+15551234567",
            "content_sid": TEMPLATE,
            "content_variables": {"1": "1042", "2": "on its way"},
        }
    },
    "settle_message": {
        "arrived": {"outcome": "arrived"},
        "did_not_arrive": {"outcome": "did_not_arrive"},
        "send_again": {"outcome": "send_again"},
    },
    "create_keyword_reply": {
        "hours": {"keywords": ["hours", "horario"], "reply": "We are open from 9 to 18."}
    },
    "change_keyword_reply": {"pause": {"is_enabled": False}},
    "create_bot": {"orders": BOT},
    "change_bot": {
        "instructions": {"instructions": "You answer questions about orders, in two sentences."},
        "own_key": {"model": {"api_key": "sk-proj-0000000000000000"}},
        "hours": {
            "business_hours": {
                "timezone": "America/Mexico_City",
                "spans": [{"day": day, "opens": "09:00", "closes": "18:00"} for day in range(5)],
            },
            "out_of_hours_text": {"es": "Abrimos de lunes a viernes, de 9 a 18."},
        },
        "pause": {"is_enabled": False},
        "budget": {"budget": {"dollars_per_month": 25, "contact_tokens_per_day": 100000}},
    },
    "add_document": {
        "shipping": {
            "title": "Shipping",
            "text": "# Costs\n\nShipping costs $99, and nothing for orders of $500 or more.",
        }
    },
    "change_document": {
        "rename": {"title": "Shipping and returns"},
        "replace": {"text": "# Costs\n\nShipping is free."},
    },
    "try_bot": {
        "question": {
            "message": "Where is my order 1042?",
            "history": [
                {"role": "user", "content": "Hello!"},
                {"role": "assistant", "content": "Hello! How can I help you?"},
            ],
        }
    },
    "import_operations": {
        "list": {"url": "https://shop.example.com/openapi.json"},
        "import": {
            "document": {
                "openapi": "3.1.0",
                "paths": {
                    "/orders/{number}": {
                        "get": {
                            "operationId": "get_order",
                            "summary": "Look up an order by its number",
                            "parameters": [
                                {"name": "number", "in": "path", "schema": {"type": "string"}},
                                {"name": "phone", "in": "query", "schema": {"type": "string"}},
                            ],
                        }
                    }
                },
            },
            "operations": ["get_order"],
        },
    },
    "replay_turns": {
        "newest": {"version": 2, "last": 5},
        "chosen": {"version": 2, "turns": [ID]},
    },
    "create_api_key": {
        "shop": {"name": "Online shop", "scopes": ["messages:read", "messages:send"]},
        "test": {"name": "Trying out", "mode": "test"},
    },
    "update_own_tenant": {"timezone": {"timezone": "America/Mexico_City", "language": "es"}},
    "create_user": {
        "agent": {
            "username": "ana@example.com",
            "password": "a sentence nobody guesses",
            "name": "Ana",
            "role": "agent",
        }
    },
    "update_user": {"role": {"role": "admin"}, "disable": {"status": "disabled"}},
    "create_tenant": {
        "bakery": {
            "name": "Bakery",
            "timezone": "America/Lima",
            "language": "es",
            "owner": {"username": "luis@example.com", "password": "a sentence nobody guesses"},
        }
    },
    "update_tenant": {
        "quota": {"daily_message_quota": 5000},
        "budget": {"bot_budget": {"dollars_per_day": 50}},
        "reopen": {"status": "active"},
    },
    "take_over_conversation": {"complaint": {"reason": "A complaint: a person should answer."}},
    "assign_conversation": {
        "member": {"user_id": ID, "reason": "She knows this customer."},
        "team": {"user_id": None},
    },
    "release_conversation": {"solved": {"reason": "Solved."}},
    "replay_inbox": {"parked": {"since": TIME, "state": "parked"}},
    "repair_inbox": {"since": {"since": TIME}},
    "webhook": {"message": {"MessageSid": "SM00000000000000000000000000000001", "Body": "hola"}},
    "channel_webhook": {
        "message": {"MessageSid": "SM00000000000000000000000000000001", "Body": "hola"}
    },
}
"""operationId → name → request body. The page shows the first one."""

VALUES: Json = {
    "twilio_phone_number": "+14155238886",
    "instructions": "You answer questions about orders.",
    "openai_model": "gpt-6-luna",
    "model": "gpt-6-luna",
    "max_tokens": 500,
    "temperature": 0.5,
    "history_messages": 10,
    "debounce_seconds": 4,
    "longest_answer": 700,
    "description": "Finds an order by its number.",
    "version": 1,
    "latest_version": 1,
    "number": 1,
    "base_url": "https://shop.example.com/api",
    "api_key": "…0000",
    "created_by": "Ana",
    "input_tokens": 120,
    "cached_tokens": 0,
    "output_tokens": 24,
    "reasoning_tokens": 0,
    "access_token": "eyJhbGciOi…",
    "refresh_token": "eyJhbGciOi…",
    "expires_in": 900,
    "secret": "JBSWY3DPEHPK3PXP",
    "uri": "otpauth://totp/Recado:demo?secret=JBSWY3DPEHPK3PXP&issuer=Recado",
    "recovery_codes": "MFZW-65DB-KR2Q-OA3N-7GHE-X4TL",
    "address": "203.0.113.7",
    "user_agent": "Mozilla/5.0",
    "username": "ana@example.com",
    "name": "Ana",
    "actor_name": "Ana",
    "timezone": "America/Mexico_City",
    "prefix": "aB3dE6gH9jK2",
    "key": "rk_live_aB3dE6gH9jK2_" + "x" * 43,
    "phone": "+15551234567",
    "phone_number": "+14155238886",
    "from_number": "+14155238886",
    "to_number": "+15551234567",
    "message_sid": "SM00000000000000000000000000000001",
    "body": "¡Hola desde la API!",
    "content": {"type": "text", "body": "¡Hola desde la API!"},
    "url": "https://example.com/menu.jpg",
    "mime_type": "image/jpeg",
    "code": "outside_window",
    "cause": "More than 24 hours have passed since this person last wrote.",
    "remedy": "Send an approved template.",
    "provider_code": "63016",
    "attempt": 1,
    "message_count": 12,
    "keywords": "hours",
    "reply": "We are open from 9 to 18.",
    "credentials": {"account_sid": "…de30", "auth_token": "…0000"},
    "webhook_url": "https://recado.example.com/webhook/twilio/<key>#rc=5&rp=all",
    "messages_per_second": 80,
    "detail": "The credentials are valid and own this sender.",
    "daily_message_quota": 5000,
    "action": "user.created",
    "subject_type": "user",
    "changes": {"role": "agent"},
    "request_id": "6a1f0c2be5a44d0f9b7f4f0f7c1f2d3e",
    "event_key": "in:SM00000000000000000000000000000001",
    "reason": "no_address",
    "tries": 1,
    "duplicates": 0,
    "raw": "MessageSid=SM00000000000000000000000000000001&Body=hola",
    "received": 120,
    "applied": 117,
    "duplicate": 2,
    "ignored": 1,
    "parked": 0,
    "waiting": 0,
    "repaired": 0,
    "replayed": 3,
    "channels": 1,
    "latency_ms": 1.4,
    "owner_reason": "A complaint: a person should answer.",
}
"""Name of a field → its example. A field's own `example`, its enum and its format come first."""

NULL = frozenset(
    {"next_cursor", "trouble", "error", "expires_at", "closed_at", "reason", "mode", "user_id"}
) | {"auto_replies_paused_until", "revoked_at", "assigned_to", "owner_since", "business_hours"}
"""Fields whose ordinary value is null."""

IS_TRUE = frozenset(
    {"success", "is_enabled", "is_default", "is_current", "is_active", "verified"}
) | {
    "credentials_valid",
    "owns_sender",
    "shows_disclosure",
    "shows_typing",
    "keyword_replies_first",
}


def of_schema(schema: Json, schemas: Json, name: str = "") -> Any:
    """Return an example of a JSON schema. `schemas` are the components; `name` is the field's."""
    if "$ref" in schema:
        return of_schema(schemas[schema["$ref"].rpartition("/")[2]], schemas, name)
    if "anyOf" in schema:
        return None if name in NULL else of_schema(schema["anyOf"][0], schemas, name)
    if name in NULL and "null" in schema.get("type", ""):
        return None
    if "example" in schema:
        return schema["example"]
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return {
            field: of_schema(inner, schemas, field) for field, inner in schema["properties"].items()
        }
    if "items" in schema:
        return [of_schema(schema["items"], schemas, name)]
    return of_plain(schema, name)


def of_plain(schema: Json, name: str) -> Any:
    """Return an example of a schema without parts. Raises KeyError for an unknown field."""
    if schema.get("type") == "boolean" or "boolean" in schema.get("type", ""):
        return name in IS_TRUE
    formats = {"uuid": ID, "date-time": TIME}
    return formats[schema["format"]] if schema.get("format") in formats else VALUES[name]


def of_requests(operation_id: str) -> Json:
    """Return the examples of an operation's request body."""
    return {name: {"value": body} for name, body in REQUESTS[operation_id].items()}
