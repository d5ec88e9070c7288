"""A secret can be decrypted only in its own place, with its own key, unchanged."""

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.common.encryption import (
    CannotOpen,
    SealedColumn,
    is_wrapped_by_primary,
    new_data_key,
    seal,
    unseal,
    unwrap_data_key,
    wrap_data_key,
)

PLACE = SealedColumn(uuid4(), "channels", "credentials", uuid4())
KEY = new_data_key()
OLD, NEW = b"o" * 32, b"n" * 32


@given(st.binary(max_size=200))
def test_what_is_sealed_opens_again(plain: bytes) -> None:
    sealed = seal(KEY, plain, PLACE)
    assert unseal(KEY, sealed, PLACE) == plain
    assert len(plain) < 4 or plain not in sealed


def test_no_two_seals_are_alike() -> None:
    assert seal(KEY, b"secret", PLACE) != seal(KEY, b"secret", PLACE)


@pytest.mark.parametrize(
    "elsewhere",
    [
        replace(PLACE, tenant_id=uuid4()),
        replace(PLACE, table="users"),
        replace(PLACE, column="answer"),
        replace(PLACE, row_id=uuid4()),
    ],
    ids=["tenant", "table", "column", "row"],
)
def test_a_secret_that_was_copied_does_not_open(elsewhere: SealedColumn) -> None:
    with pytest.raises(CannotOpen):
        unseal(KEY, seal(KEY, b"secret", PLACE), elsewhere)


@given(st.data())
def test_a_changed_byte_is_noticed(data: st.DataObject) -> None:
    sealed = bytearray(seal(KEY, b"secret", PLACE))
    index = data.draw(st.integers(0, len(sealed) - 1))
    sealed[index] ^= data.draw(st.integers(1, 255))
    with pytest.raises(CannotOpen):
        unseal(KEY, bytes(sealed), PLACE)


def test_another_key_does_not_open() -> None:
    with pytest.raises(CannotOpen):
        unseal(new_data_key(), seal(KEY, b"secret", PLACE), PLACE)


@given(st.binary(max_size=64))
def test_arbitrary_bytes_do_not_open(sealed: bytes) -> None:
    with pytest.raises((CannotOpen, ValueError)):
        unseal(KEY, sealed, PLACE)


def test_a_data_key_is_wrapped_by_the_first_and_opened_by_any_of_the_ring() -> None:
    wrapped = wrap_data_key({"old": OLD}, KEY, PLACE)
    ring = {"new": NEW, "old": OLD}
    assert unwrap_data_key(ring, wrapped, PLACE) == KEY
    assert not is_wrapped_by_primary(ring, wrapped)
    assert is_wrapped_by_primary(ring, wrap_data_key(ring, KEY, PLACE))


def test_a_missing_master_key_is_named() -> None:
    wrapped = wrap_data_key({"old": OLD}, KEY, PLACE)
    with pytest.raises(CannotOpen, match="ENCRYPTION_KEYS lacks the key 'old'"):
        unwrap_data_key({"new": NEW}, wrapped, PLACE)


def test_a_key_of_the_same_name_but_other_bytes_does_not_open() -> None:
    wrapped = wrap_data_key({"k": OLD}, KEY, PLACE)
    with pytest.raises(CannotOpen):
        unwrap_data_key({"k": NEW}, wrapped, PLACE)
