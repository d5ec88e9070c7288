"""`whatsapp:+15551234567` and back."""

from app.common.phone import Address, AddressKind, heard_address

PREFIX = "whatsapp:"


def spell(value: str) -> str:
    """`+1555…` or a WhatsApp user id → as Twilio wants it."""
    return f"{PREFIX}{value}"


def bare(text: str | None) -> str:
    return (text or "").strip().removeprefix(PREFIX)


def known_addresses(*texts: str | None) -> tuple[Address, ...]:
    """Those that are addresses, each once, phone numbers first."""
    found: list[Address] = []
    for text in texts:
        try:
            address = heard_address(text or "")
        except ValueError:
            continue
        if address not in found:
            found.append(address)
    return tuple(sorted(found, key=lambda address: address.kind is not AddressKind.PHONE))
