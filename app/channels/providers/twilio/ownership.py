"""Reads Twilio's answers about whether credentials are valid and own a number."""

from collections.abc import Sequence
from typing import Any

from app.channels.providers.base import Verification
from app.channels.providers.twilio.addresses import spell

SANDBOX = spell("+14155238886")
"""The number of Twilio's sandbox, which everybody who tries it shares."""


def check_account(answer: Any) -> Verification | None:
    """Return None when the account SID and auth token are valid; `answer` may be an HTTP status."""
    if answer == 404:
        return _bad("Twilio does not know this account SID.")
    if isinstance(answer, int):
        return _bad("Twilio rejects the account SID and auth token together.")
    if str(answer.status) != "active":
        return _bad(f"The Twilio account is {answer.status}, so it cannot send.")
    return None


def check_key(answer: Any) -> Verification | None:
    if isinstance(answer, int):
        return _bad("Twilio rejects the API key; the auth token is good.")
    return None


def check_sender(answer: Any, sender: str) -> Verification:
    """Return whether the list of WhatsApp senders holds this one; a status means that there is no
    list."""
    if isinstance(answer, int):
        return Verification(
            True, None, "The credentials are good; Twilio does not show which senders they own."
        )
    found = next((each for each in _rows(answer) if each.sender_id == sender), None)
    if found is not None:
        state = str(found.status)
        detail = "The credentials are good and the sender is this account's."
        if not state.startswith("ONLINE"):
            detail = f"The sender is this account's, but not online: {state.lower()}."
        return Verification(True, True, detail)
    if sender == SANDBOX:
        return Verification(
            True,
            None,
            "The credentials are good. This is Twilio's shared sandbox number: each phone must "
            "join with your join code first.",
        )
    return Verification(
        True, False, "The credentials are good, but this number is not among the account's senders."
    )


def _rows(answer: Any) -> Sequence[Any]:
    return list(answer)


def _bad(detail: str) -> Verification:
    return Verification(False, None, detail)
