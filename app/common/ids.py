"""Identifiers: UUIDv7 for rows, random text for values that must not be guessed."""

import secrets
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """Return a UUIDv7: unique, and ascending in time."""
    return uuid7()


def new_secret(size: int = 32) -> str:
    """Return URL-safe random text with `size` bytes of entropy."""
    return secrets.token_urlsafe(size)


LAST_MILLISECOND = 2**48 - 1


def id_at(moment: datetime) -> UUID:
    """Return a UUIDv7 that sorts as if it had been made at that moment."""
    return uuid7(nanoseconds=int(moment.timestamp() * 1_000_000) * 1_000)


def id_floor(moment: datetime) -> UUID:
    """Return the smallest UUIDv7 of that millisecond (RFC 9562: 48 bits of Unix time come first).

    For a moment before 1970 this is the smallest UUIDv7.
    """
    millisecond = int(moment.timestamp() * 1000)
    return UUID(int=min(max(millisecond, 0), LAST_MILLISECOND) << 80)
