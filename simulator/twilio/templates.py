"""The templates that every account starts with. Their SIDs are fixed, see docs/simulator.md."""

import time
from typing import Any, Final

from simulator.records import Account, Content
from simulator.runtime import Runtime


def _sid(number: int) -> str:
    return f"HX{number:032x}"


def _quick_reply(body: str, *titles: tuple[str, str]) -> dict[str, Any]:
    actions = [{"type": "QUICK_REPLY", "title": title, "id": id_} for title, id_ in titles]
    return {"twilio/quick-reply": {"body": body, "actions": actions}}


#: number, friendly_name, language, category, status, variables, types
_SEEDS: Final[tuple[tuple[int, str, str, str, str, dict[str, str], dict[str, Any]], ...]] = (
    (
        1, "appointment_reminder", "es", "UTILITY", "approved",
        {"1": "Ana", "2": "lunes a las 10:00"},
        _quick_reply(
            "Hola {{1}}, te recordamos tu cita del {{2}}. ¿Nos confirmas tu asistencia?",
            ("Confirmar", "confirm"), ("Cambiar", "change"),
        ),
    ),
    (
        2, "appointment_reminder", "en", "UTILITY", "approved",
        {"1": "Ana", "2": "Monday at 10:00"},
        _quick_reply(
            "Hello {{1}}, this is a reminder of your appointment on {{2}}. Will you come?",
            ("Confirm", "confirm"), ("Change", "change"),
        ),
    ),
    (
        3, "order_update", "es", "UTILITY", "approved",
        {"1": "1001", "2": "en camino"},
        {"twilio/text": {"body": "Tu pedido {{1}} cambió de estado: {{2}}. Gracias por comprar."}},
    ),
    (
        4, "order_update", "en", "UTILITY", "approved",
        {"1": "1001", "2": "on its way"},
        {"twilio/text": {"body": "Your order {{1}} has a new state: {{2}}. Thank you."}},
    ),
    (
        5, "order_tracking", "en", "UTILITY", "approved",
        {"1": "1001", "2": "a1b2"},
        {
            "twilio/call-to-action": {
                "body": "Your order {{1}} has left our store. Follow it here.",
                "actions": [
                    {"type": "URL", "title": "Track", "url": "https://example.com/t/{{2}}"},
                    {"type": "PHONE_NUMBER", "title": "Call us", "phone": "+14155238886"},
                ],
            }
        },
    ),
    (
        6, "summer_offer", "es", "MARKETING", "rejected",
        {"1": "20"}, {"twilio/text": {"body": "Solo hoy: {{1}} por ciento de descuento."}},
    ),
    (
        7, "win_back", "en", "MARKETING", "paused",
        {"1": "Ana"}, {"twilio/text": {"body": "Hello {{1}}, we have missed you. Come back!"}},
    ),
    (
        8, "new_draft", "es", "UTILITY", "unsubmitted",
        {"1": "Ana"}, {"twilio/text": {"body": "Hola {{1}}, este texto aún no tiene permiso."}},
    ),
    (
        9, "main_menu", "es", "UTILITY", "unsubmitted",
        {},
        {
            "twilio/list-picker": {
                "body": "¿En qué te podemos ayudar?",
                "button": "Ver opciones",
                "items": [
                    {"item": "Ventas", "id": "sales", "description": "Precios y pedidos"},
                    {"item": "Soporte", "id": "support", "description": "Ayuda con tu compra"},
                    {"item": "Horarios", "id": "hours", "description": "Cuándo abrimos"},
                ],
            }
        },
    ),
)  # fmt: skip


def seeded_contents(account: Account) -> list[Content]:
    """Return fresh copies for one account; each account has the same SIDs, because accounts do not
    see each other."""
    now = time.time()
    contents = []
    for number, name, language, category, status, variables, types in _SEEDS:
        approval: dict[str, Any] = {"status": status}
        if status != "unsubmitted":
            approval |= {
                "type": "whatsapp",
                "name": name,
                "category": category,
                "content_type": next(iter(types)),
                "rejection_reason": "INVALID_FORMAT" if status == "rejected" else "",
                "allow_category_change": True,
            }
        contents.append(
            Content(
                _sid(number),
                account.sid,
                name,
                language,
                dict(variables),
                types,
                now,
                now,
                approval,
            )
        )
    return contents


def seed_contents(runtime: Runtime) -> None:
    """Give each account the templates that it lacks."""
    for account in runtime.world.accounts.values():
        for content in seeded_contents(account):
            if (account.sid, content.sid) not in runtime.world.contents:
                runtime.world.put_content(content)
