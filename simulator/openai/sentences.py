"""What the simulator's model says, in the two languages."""

import json
from typing import Any, Final

_MOST_FIELDS: Final = 6

_QUESTIONS: Final = ("Para eso necesito un dato más", "For that I need to know")

_NAMES_ES: Final = {
    "number": "número", "status": "estado", "total": "total", "date": "fecha", "time": "hora",
    "starts at": "comienza", "service": "servicio", "name": "nombre", "items": "artículos",
    "currency": "moneda", "carrier": "transportista", "phone": "teléfono", "reason": "motivo",
    "updated at": "actualizado", "delivery date": "fecha de entrega", "price": "precio",
    "verify with": "verificar con",
}  # fmt: skip


def greeting(spanish: bool) -> str:
    if spanish:
        return "¡Hola! Soy el modelo del simulador. ¿En qué puedo ayudarte?"
    return "Hello! I am the simulator's model. How can I help you?"


def echo(text: str, spanish: bool) -> str:
    shown = text.strip()[:200]
    if spanish:
        return (
            f"Recibí tu mensaje: «{shown}». Soy el modelo del simulador: sigo reglas sencillas. "
            "Pregúntame por un pedido o una cita, o pide hablar con una persona."
        )
    return (
        f'I received your message: "{shown}". I am the simulator\'s model and follow simple rules. '
        "Ask me about an order or an appointment, or ask for a person."
    )


def picture(spanish: bool) -> str:
    if spanish:
        return "Recibí tu imagen. El modelo del simulador no puede ver imágenes."
    return "I received your picture. The simulator's model cannot see pictures."


def ask_for(missing: tuple[str, ...], spanish: bool) -> str:
    names = ", ".join(_label(name, spanish) for name in missing)
    return f"{_QUESTIONS[0 if spanish else 1]}: {names}."


def is_question(text: str) -> bool:
    """Return whether the text is one of `ask_for`."""
    return text.startswith(_QUESTIONS)


def person_will_come(spanish: bool) -> str:
    if spanish:
        return "Te comunico con una persona de nuestro equipo."
    return "I am handing you over to a person of our team."


def no_person(spanish: bool) -> str:
    if spanish:
        return "Ahora no puedo comunicarte con una persona."
    return "I cannot hand you over to a person now."


def from_result(text: str, spanish: bool) -> str:
    """Return a sentence about the output of a function, JSON or not."""
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip() or ("Listo." if spanish else "Done.")
    if isinstance(value, dict) and value.get("error"):
        reason = value["error"]
        reason = reason.get("message", reason) if isinstance(reason, dict) else reason
        return f"No fue posible: {reason}." if spanish else f"That was not possible: {reason}."
    if isinstance(value, list):
        return _list(value, spanish)
    if isinstance(value, dict) and value:
        intro = "Esto es lo que encontré" if spanish else "This is what I found"
        return f"{intro}: {_fields(value, spanish)}."
    return f"{'Resultado' if spanish else 'Result'}: {text.strip()}."


def _list(values: list[Any], spanish: bool) -> str:
    if not values:
        return "No encontré nada." if spanish else "I found nothing."
    intro = f"Encontré {len(values)}" if spanish else f"I found {len(values)}"
    shown = [_fields(v, spanish) if isinstance(v, dict) else str(v) for v in values[:5]]
    return f"{intro}: {'; '.join(shown)}."


def _fields(value: dict[str, Any], spanish: bool) -> str:
    pairs = [(name, item) for name, item in value.items() if item not in (None, "", [], {})]
    return ", ".join(
        f"{_label(name, spanish)} {_shown(item, spanish)}" for name, item in pairs[:_MOST_FIELDS]
    )


def _shown(item: Any, spanish: bool) -> str:
    if isinstance(item, dict):
        return f"({_fields(item, spanish)})"
    if isinstance(item, list):
        return " / ".join(_shown(each, spanish) for each in item[:3])
    if isinstance(item, bool):
        return ("sí" if item else "no") if spanish else ("yes" if item else "no")
    return str(item)


def _label(name: str, spanish: bool) -> str:
    label = name.replace("_", " ")
    return _NAMES_ES.get(label, label) if spanish else label
