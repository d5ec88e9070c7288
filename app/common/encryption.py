"""Encryption of secrets at rest: AES-256-GCM with a data key per tenant, wrapped by the master key.

Each ciphertext is bound, as associated data, to its tenant, table, column and row. A ciphertext
that is copied to another tenant or row cannot be decrypted.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
NONCE_BYTES = 12
KEY_BYTES = 32


class CannotOpen(Exception):
    """The key is unknown, or the ciphertext belongs elsewhere or was changed."""


@dataclass(frozen=True)
class SealedColumn:
    """The column and row that hold a secret. Its ciphertext can be decrypted nowhere else."""

    tenant_id: UUID
    table: str
    column: str
    row_id: UUID

    def associated_data(self) -> bytes:
        return f"{self.tenant_id}|{self.table}|{self.column}|{self.row_id}".encode()


def new_data_key() -> bytes:
    return os.urandom(KEY_BYTES)


def seal(key: bytes, plain: bytes, column: SealedColumn) -> bytes:
    """Return version, nonce, and ciphertext with tag, concatenated."""
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, plain, column.associated_data())


def unseal(key: bytes, sealed: bytes, column: SealedColumn) -> bytes:
    """Raises CannotOpen."""
    if sealed[:1] != VERSION:
        raise CannotOpen("unknown version of sealed text")
    nonce, body = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, body, column.associated_data())
    except InvalidTag as error:
        raise CannotOpen("sealed text does not open here") from error


def wrap_data_key(ring: Mapping[str, bytes], data_key: bytes, column: SealedColumn) -> bytes:
    """Encrypt a data key with the primary master key; return `<key id>:` and the ciphertext."""
    key_id, master = next(iter(ring.items()))
    return key_id.encode() + b":" + seal(master, data_key, column)


def unwrap_data_key(ring: Mapping[str, bytes], wrapped: bytes, column: SealedColumn) -> bytes:
    """Raises CannotOpen, naming the master key that ENCRYPTION_KEYS lacks."""
    prefix, _, sealed = wrapped.partition(b":")
    key_id = prefix.decode(errors="replace")
    master = ring.get(key_id)
    if master is None:
        raise CannotOpen(f"ENCRYPTION_KEYS lacks the key {key_id!r}")
    try:
        return unseal(master, sealed, column)
    except CannotOpen as error:
        raise CannotOpen(f"the key {key_id!r} has another value than before") from error


def is_wrapped_by_primary(ring: Mapping[str, bytes], wrapped: bytes) -> bool:
    return wrapped.partition(b":")[0].decode(errors="replace") == next(iter(ring))
