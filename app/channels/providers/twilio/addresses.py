"""`whatsapp:+15551234567` and back."""

import re

from app.common.phone import Address, AddressKind, parse_address

PREFIX = "whatsapp:"
E164 = re.compile(r"\+[1-9][0-9]{5,14}")


def spell(value: str) -> str:
    """`+1555…` or a WhatsApp user id → as Twilio wants it."""
    return f"{PREFIX}{value}"


def bare(text: str | None) -> str:
    return (text or "").strip().removeprefix(PREFIX)


def read_address(text: str | None) -> Address:
    """An address as Twilio gives it. Raises ValueError.

    A number that our numbering plans find impossible is taken as it stands: WhatsApp knows it,
    and refusing it would lose the message (Mexican numbers still come with the old 1).
    """
    try:
        return parse_address(text or "")
    except ValueError:
        if E164.fullmatch(bare(text)):
            return Address(AddressKind.PHONE, bare(text))
        raise


def known_addresses(*texts: str | None) -> tuple[Address, ...]:
    """Those that are addresses, each once, phone numbers first."""
    found: list[Address] = []
    for text in texts:
        try:
            address = read_address(text)
        except ValueError:
            continue
        if address not in found:
            found.append(address)
    return tuple(sorted(found, key=lambda address: address.kind is not AddressKind.PHONE))
