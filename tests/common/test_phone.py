"""Addresses of people, in every spelling that they arrive in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.phone import (
    Address,
    AddressKind,
    heard_address,
    parse_address,
    parse_phone,
    stored_address,
)


@pytest.mark.parametrize(
    "text",
    [
        "whatsapp:+15551234567",
        "+15551234567",
        "15551234567",
        " +1 (555) 123-4567 ",
        "whatsapp: +1.555.123.4567",
    ],
)
def test_every_spelling_is_one_number(text: str) -> None:
    assert parse_address(text) == Address(AddressKind.PHONE, "+15551234567")


@pytest.mark.parametrize(
    "number",
    ["+5215512345678", "+525512345678", "+573001234567", "+5491123456789", "+5511987654321"],
)
def test_numbers_of_latin_america_stay_as_whatsapp_writes_them(number: str) -> None:
    """Mexican numbers still arrive with the old 1 after the country code."""
    assert parse_phone(number) == number
    assert parse_phone(f"whatsapp:{number}") == number


@pytest.mark.parametrize("text", ["US.13491208655302741918", "whatsapp:CO.ENT.77abc"])
def test_a_user_id_is_an_address(text: str) -> None:
    found = parse_address(text)
    assert found == Address(AddressKind.USER_ID, text.removeprefix("whatsapp:"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "12",
        "+1555",
        "hello",
        "+1555123456a",
        "1" * 41,
        "US.",
        "us.123",
        "US.12 34",
        "US." + "1" * 129,
        "+٥٥٥١٢٣٤٥٦٧٨",
        "+15551234567;ext=1",
        "\x00+15551234567",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="country code"):
        parse_address(text)


@given(st.text(max_size=60))
def test_anything_is_an_address_or_a_value_error(text: str) -> None:
    try:
        found = parse_address(text)
    except ValueError:
        return
    assert parse_address(found.value) == found


def test_a_number_that_only_whatsapp_knows_is_heard_and_not_sent_to() -> None:
    assert heard_address("whatsapp:+99912345678") == Address(AddressKind.PHONE, "+99912345678")
    with pytest.raises(ValueError, match="country code"):
        parse_address("+99912345678")


@pytest.mark.parametrize("text", ["", "whatsapp:", "+", "hello", "+0123456", "+1234567890123456"])
def test_what_is_no_address_is_not_heard(text: str) -> None:
    with pytest.raises(ValueError, match="country code"):
        heard_address(text)


@given(st.text(max_size=60))
def test_what_is_stored_is_read_as_it_stands(text: str) -> None:
    assert stored_address(text).value == text


@given(st.text(max_size=60))
def test_what_was_heard_is_read_back_as_the_same_address(text: str) -> None:
    try:
        heard = heard_address(text)
    except ValueError:
        return
    assert stored_address(heard.value) == heard
