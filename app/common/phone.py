"""Addresses of people and senders: E.164 phone numbers and WhatsApp user ids (BSUID)."""

import re
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers
from phonenumbers import ValidationResult

USER_ID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
"""`CC.…`, as Meta's and Twilio's pages about user ids say; `ENT.` marks the parent id of a linked
portfolio."""

LONGEST_ADDRESS = 160

MEXICO_WITH_THE_OLD_1 = re.compile(r"\+521[0-9]{10}")
"""WhatsApp still writes many Mexican numbers with the 1 that the numbering plan dropped in 2019;
phonenumbers calls these too long."""


NOT_A_PHONE = "Not a phone number: give it with its country code, e.g. +5215512345678."
COUNTRY_UNCLEAR = (
    "The country of this number is not clear. Write it with a plus and its country code, e.g. "
    "+525512345678."
)

E164 = re.compile(r"\+?[1-9][0-9]{5,14}")


class AddressKind(StrEnum):
    PHONE = "phone"
    USER_ID = "user_id"


@dataclass(frozen=True)
class Address:
    """An address of a message: `+15551234567` or `US.13491208655302741918`."""

    kind: AddressKind
    value: str


def parse_address(text: str) -> Address:
    """Parse `whatsapp:+15551234567`, `+15551234567`, `15551234567` or a WhatsApp user id.

    Raises ValueError with a sentence for the person who typed it.
    """
    bare = text.strip().removeprefix("whatsapp:").strip()
    if len(bare) <= LONGEST_ADDRESS and USER_ID.fullmatch(bare):
        return Address(AddressKind.USER_ID, bare)
    return Address(AddressKind.PHONE, parse_phone(bare))


def heard_address(text: str) -> Address:
    """Parse an address that a provider sent. Raises ValueError.

    A number that our numbering plans call impossible is taken unchanged: WhatsApp knows it, and
    refusing it would lose the message.
    """
    try:
        return parse_address(text)
    except ValueError:
        bare = text.strip().removeprefix("whatsapp:").strip()
        if E164.fullmatch(bare):
            return Address(AddressKind.PHONE, f"+{bare.removeprefix('+')}")
        raise


def stored_address(value: str) -> Address:
    """Parse an address that our own tables hold. Never fails."""
    is_user_id = USER_ID.fullmatch(value)
    return Address(AddressKind.USER_ID if is_user_id else AddressKind.PHONE, value)


def parse_phone(text: str) -> str:
    """Convert a number with its country code, in any spelling, to E.164. Raises ValueError.

    A number is refused when its length is impossible, but not when its range is unassigned:
    numbering plans change more often than our copy of them, and fictional 555 numbers are used as
    examples. Without a plus the number must also be complete in its plan, because the first digits
    of a number that lacks its country code may look like another country's code.
    """
    bare = text.strip().removeprefix("whatsapp:").strip()
    if len(bare) > 40 or not re.fullmatch(r"\+?[0-9][0-9 ().-]*", bare, flags=re.ASCII):
        raise ValueError(NOT_A_PHONE)
    has_plus = bare.startswith("+")
    try:
        number = phonenumbers.parse(bare if has_plus else f"+{bare}")
    except phonenumbers.NumberParseException as error:
        raise ValueError(NOT_A_PHONE) from error
    found = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    if MEXICO_WITH_THE_OLD_1.fullmatch(found):
        return found
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        raise ValueError(NOT_A_PHONE)
    if not has_plus and not _is_complete(number):
        raise ValueError(COUNTRY_UNCLEAR)
    return found


def _is_complete(number: phonenumbers.PhoneNumber) -> bool:
    """Return whether the number is assigned, or all numbers of its country have the same length."""
    if phonenumbers.is_valid_number(number):
        return True
    region = phonenumbers.region_code_for_country_code(number.country_code or 0)
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    general = metadata.general_desc if metadata else None
    return general is not None and len(general.possible_length) == 1
