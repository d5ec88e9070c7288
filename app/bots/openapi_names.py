"""The names in an OpenAPI document: what they become, and what they tell. Pure."""

import re
import unicodedata
from collections.abc import Container

LONGEST_NAME = 64
LONGEST_READ = 1_000

_PHONE = re.compile(
    "(the)?(customer|client|cliente|contact|contacto|user|usuario|caller)?"
    "(phone(number)?|telephone(number)?|telefono|tel|cel|numero(de)?telefono|celular|cellphone|"
    "mobile(phone|number)?|movil|whatsapp(number|phone)?|msisdn)"
    "(cliente|delcliente|customer|contacto)?"
)
_PERSON = re.compile(
    ".*(phone|telefono|celular|whatsapp|msisdn|email|correo).*"
    "|(customer|client|cliente|contact|contacto|user|usuario|account|cuenta)(id)?"
)
"""Names, as `plain` returns them, of values that say whose data it is."""


def is_phone(name: str) -> bool:
    """Return whether this is plainly the customer's own phone number."""
    return _PHONE.fullmatch(plain(name)) is not None


def is_person(name: str) -> bool:
    """Return whether this says whose data a request is about."""
    return _PERSON.fullmatch(plain(name)) is not None


def _ascii(text: str) -> str:
    """Return the text in ASCII: `teléfono` as `telefono`. Letters without a base are left out."""
    return unicodedata.normalize("NFKD", text[:LONGEST_READ]).encode("ascii", "ignore").decode()


def plain(name: str) -> str:
    """Return a name as it is compared: `customer_phone` and `customerPhone` are the same."""
    return re.sub("[^a-z0-9]", "", _ascii(name).lower())


def fitted(name: str) -> str:
    """Return the name of a function or of a parameter, empty if none of its letters can stay."""
    return re.sub("[^a-zA-Z0-9_-]+", "_", _ascii(name)).strip("_")[:LONGEST_NAME]


def unique(name: str, used: Container[str]) -> str:
    """Return the name, with a number behind it if there is such a name already."""
    made, number = name[:LONGEST_NAME], 2
    while made in used:
        ending = f"_{number}"
        made, number = name[: LONGEST_NAME - len(ending)] + ending, number + 1
    return made
