"""Conversion between our addresses and Twilio's, such as `whatsapp:+15551234567`."""

from app.common.phone import Address, AddressKind, heard_address

PREFIX = "whatsapp:"


def spell(value: str) -> str:
    """Return `+1555…` or a WhatsApp user id in Twilio's form."""
    return f"{PREFIX}{value}"


def bare(text: str | None) -> str:
    return (text or "").strip().removeprefix(PREFIX)


def known_addresses(*texts: str | None) -> tuple[Address, ...]:
    """Return those that are valid addresses, each once, phone numbers first."""
    found: list[Address] = []
    for text in texts:
        try:
            address = heard_address(text or "")
        except ValueError:
            continue
        if address not in found:
            found.append(address)
    return tuple(sorted(found, key=lambda address: address.kind is not AddressKind.PHONE))
