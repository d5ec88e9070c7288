"""Words in Spanish and English: what a text is about, and in which of the two it is written."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_WORD: Final = re.compile(r"[a-z]+")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

_TOPICS: Final = {
    "order": "order orders pedido pedidos orden ordenes compra compras shipment envio paquete",
    "appointment": "appointment appointments cita citas turno turnos reserva reservas booking",
    "invoice": "invoice invoices bill factura facturas recibo",
    "product": "product products producto productos catalogue catalog catalogo",
    "price": "price prices precio precios cost cuesta",
    "stock": "stock availability disponible disponibilidad available",
    "knowledge": "knowledge faq help ayuda information informacion hours horario horarios",
}
_ACTIONS: Final = {
    "cancel": "cancel cancels delete remove cancela cancelar cancelo anular anula borrar",
    "create": (
        "book create make schedule add new want need agendar agenda reservar crear nueva nuevo "
        "pedir sacar quiero quisiera necesito programar"
    ),
    "read": (
        "get find list look lookup check status show fetch search where when ver buscar consultar "
        "consulta donde cuando estado mis tengo have which cuales"
    ),
}


def _all_of(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Each word to the name of its group.
TOPIC_OF: Final = {word: name for name, words in _TOPICS.items() for word in words.split()}
ACTION_OF: Final = {word: name for name, words in _ACTIONS.items() for word in words.split()}

_SPANISH: Final = _all_of(
    "hola buenas buenos dias tardes noches gracias quiero quisiera necesito mi mis el la los "
    "las un una es esta estado donde cuando como que por para con favor pedido cita hablar "
    "persona humano puedo pueden tengo soy me de del en si no mañana manana hoy"
)
_ENGLISH: Final = _all_of(
    "hello hi hey good morning thanks thank please want would like need my the a an is are "
    "where when how what for with order appointment talk speak person human can could have i am "
    "of in yes tomorrow today you your"
)
_PERSON: Final = _all_of(
    "person human humano humana persona agent agente asesor asesora operador operator"
)
_GREETING: Final = _all_of("hola hello hi hey buenas buenos saludos morning evening")


def plain(text: str) -> str:
    """Return the text in small letters without accents."""
    parts = unicodedata.normalize("NFKD", text.lower())
    return "".join(letter for letter in parts if not unicodedata.combining(letter))


def words(text: str) -> list[str]:
    return _WORD.findall(plain(text))


def identifier_words(name: str) -> list[str]:
    """Return the words of a name such as get_order or getOrder."""
    return words(_CAMEL.sub(" ", name))


def topics(found: Iterable[str]) -> set[str]:
    return {TOPIC_OF[word] for word in found if word in TOPIC_OF}


def actions(found: Iterable[str]) -> set[str]:
    return {ACTION_OF[word] for word in found if word in ACTION_OF}


def wants_a_person(text: str) -> bool:
    return not _PERSON.isdisjoint(words(text))


def is_greeting(text: str) -> bool:
    return not _GREETING.isdisjoint(words(text)[:3])


def is_spanish(texts: Iterable[str]) -> bool:
    """Judge by the first text that shows a language; without one it is English."""
    for text in texts:
        found = words(text)
        spanish = sum(word in _SPANISH for word in found) + sum(c in "¿¡ñ" for c in text.lower())
        english = sum(word in _ENGLISH for word in found)
        if spanish != english:
            return spanish > english
    return False
