"""Scripted numbers: the number that a message is sent to decides what happens to it.

`+155500<code>` fails with that five-digit vendor code; `+15550100xxx` have special behaviors.
"""

import re
from dataclasses import dataclass
from typing import Final

_BY_CODE: Final = re.compile(r"^\+155500(\d{5})$")
#: The vendor reports these after the channel took the message, hence `undelivered`.
_UNDELIVERED: Final = frozenset({30003, 30005, 30006, 30008, 63003, 63018, 63024, 63032, 63049})
_AT_CREATE: Final = {20429: "throttle", 20500: "fail_500", 20003: "expired_token"}

ERROR_MESSAGES: Final[dict[int, str]] = {
    30008: "Unknown error",
    30036: "Validity period expired",
    63003: "Channel could not find To address",
    63005: "Channel did not accept given content. Please see the specific channel documentation",
    63010: "Twilio's platform encountered an internal error processing this message",
    63013: "This message send failed because it violates Channel provider's policy",
    63015: "Channel Sandbox can only send messages to phone numbers that have joined the Sandbox",
    63016: "Failed to send freeform message because you are outside the allowed window. "
    "If you are using WhatsApp, please use a Message Template.",
    63018: "Rate limit exceeded for Channel",
    63019: "Media failed to download",
    63024: "Invalid message recipient",
    63028: "Number of parameters provided does not match the expected number of parameters",
    63032: "We cannot send this message to this user because they are in an experiment",
    63040: "Template rejected",
    63041: "Template paused",
    63042: "Template disabled",
    63049: "Meta chose not to deliver this marketing message",
}


@dataclass(frozen=True)
class Outcome:
    """`ends` is the last status; `slow` seconds are added before `delivered`."""

    ends: str
    error_code: int | None = None
    slow: float = 0.0
    callbacks: str = "normal"
    create_fault: str | None = None
    text: str = ""
    text_es: str = ""


BEHAVIOURS: Final[dict[str, Outcome]] = {
    "+15550100001": Outcome(
        "delivered", text="delivered, never read", text_es="entregado, nunca leído"
    ),
    "+15550100002": Outcome("read", text="delivered, then read", text_es="entregado y luego leído"),
    "+15550100003": Outcome(
        "sent", text="sent, never delivered", text_es="enviado, nunca entregado"
    ),
    "+15550100004": Outcome(
        "read",
        slow=20.0,
        text="slow: delivered after 20 s, then read",
        text_es="lento: entregado a los 20 s y luego leído",
    ),
    "+15550100005": Outcome(
        "read",
        callbacks="none",
        text="read, but no callback ever comes",
        text_es="leído, pero nunca llega un aviso",
    ),
    "+15550100006": Outcome(
        "read",
        callbacks="doubled",
        text="every callback comes twice",
        text_es="cada aviso llega dos veces",
    ),
    "+15550100007": Outcome(
        "read", callbacks="reordered", text="callbacks out of order", text_es="avisos en desorden"
    ),
    "+15550100008": Outcome(
        "read",
        callbacks="early",
        text="first callback before the answer",
        text_es="primer aviso antes de la respuesta",
    ),
    "+15550100011": Outcome(
        "read",
        create_fault="hang",
        text="not accepted; the connection hangs for 30 s",
        text_es="no aceptado; la conexión cuelga 30 s",
    ),
    "+15550100012": Outcome(
        "read",
        create_fault="accept_then_hang",
        text="accepted; the answer hangs for 30 s",
        text_es="aceptado; la respuesta cuelga 30 s",
    ),
    "+15550100013": Outcome(
        "read",
        create_fault="accept_then_500",
        text="accepted; the answer is 500",
        text_es="aceptado; la respuesta es 500",
    ),
    "+15550100014": Outcome(
        "read",
        create_fault="accept_then_reset",
        text="accepted; the connection is reset",
        text_es="aceptado; la conexión se corta",
    ),
    "+15550100015": Outcome(
        "read",
        create_fault="reset_before",
        text="not accepted; the connection is reset",
        text_es="no aceptado; la conexión se corta",
    ),
}

#: The codes that the page and the documentation list; every five-digit code works.
LISTED_CODES: Final = (
    20429, 20500, 21610, 21211, 63003, 63015, 63016, 63018, 63024, 63049, 30008,
)  # fmt: skip


def outcome_for(key: str) -> Outcome | None:
    """Return the script of a number, or None for an ordinary phone."""
    if key in BEHAVIOURS:
        return BEHAVIOURS[key]
    match = _BY_CODE.match(key)
    if match is None:
        return None
    code = int(match[1])
    if code < 30000:
        fault = _AT_CREATE.get(code, "reject")
        text, text_es = f"refused at create with {code}", f"rechazado al crear con {code}"
        return Outcome("", code, create_fault=fault, text=text, text_es=text_es)
    ends = "undelivered" if code in _UNDELIVERED else "failed"
    spanish = "no entregado" if ends == "undelivered" else "fallido"
    return Outcome(ends, code, text=f"{ends} with {code}", text_es=f"{spanish} con {code}")


def error_message(code: int) -> str:
    return ERROR_MESSAGES.get(code, f"Error {code}")


def table() -> list[dict[str, str]]:
    """Return the documented numbers and what they do."""
    numbers = [f"+155500{code}" for code in LISTED_CODES] + list(BEHAVIOURS)
    return [
        {"number": number, "text": found.text, "text_es": found.text_es}
        for number in numbers
        if (found := outcome_for(number))
    ]
