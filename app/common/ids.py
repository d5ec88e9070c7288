"""Identifiers: UUIDv7 for rows, random text for what must not be guessed."""

import secrets
from uuid import UUID

from uuid_utils.compat import uuid7


def new_id() -> UUID:
    """A UUIDv7: unique everywhere, ascending in time."""
    return uuid7()


def new_secret(size: int = 32) -> str:
    """URL-safe random text carrying `size` bytes of entropy."""
    return secrets.token_urlsafe(size)
