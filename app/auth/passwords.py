"""Passwords: argon2id, a few at a time, with the same work for a user who does not exist."""

import base64
import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import InvalidInput, Unavailable

SHORTEST = 8
LONGEST = 200
DEMO_PASSWORD = "password"  # noqa: S105 - published; opens nothing but a developer's own machine
"""The published password of the demonstration users; nobody else can choose it."""

AT_ONCE = 2
"""A check takes 64 MiB and a core for about 0.1 s; more at once would only be slower."""
LONGEST_WAIT_SECONDS = 5.0

HASHER = PasswordHasher()
_places = threading.BoundedSemaphore(AT_ONCE)


class TakeTurns:
    """One of a few slots in which a hash is computed; `with TakeTurns():`.

    Raises Unavailable when no slot becomes free in time.
    """

    def __enter__(self) -> None:
        if not _places.acquire(timeout=LONGEST_WAIT_SECONDS):
            raise Unavailable(
                "Too many people are signing in at this moment. Try again in a few seconds.",
                code="overloaded",
            )

    def __exit__(self, *_: object) -> None:
        _places.release()


def dummy_hash() -> str:
    """Return a well-formed hash that no password has; checking against it takes as long as a real
    check."""
    salt = base64.b64encode(b"\0" * HASHER.salt_len).decode().rstrip("=")
    digest = base64.b64encode(b"\0" * HASHER.hash_len).decode().rstrip("=")
    parameters = f"m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}"
    return f"$argon2id$v=19${parameters}${salt}${digest}"


def normalise(password: str) -> bytes:
    """Normalize letters that keyboards compose differently."""
    return unicodedata.normalize("NFC", password).encode()


def check_rules(password: str, field: str = "password") -> None:
    """Raises InvalidInput naming `field` for a password that is not allowed."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput({field: [f"Choose {SHORTEST} to {LONGEST} characters."]})
    if password.casefold() == DEMO_PASSWORD:
        raise InvalidInput({field: ["This is the demonstration password. Choose another one."]})


def hash_password(password: str) -> str:
    """Hash a password. Raises Unavailable when too many sign-ins wait."""
    with TakeTurns():
        return HASHER.hash(normalise(password))


def verify(password: str, password_hash: str | None) -> bool:
    """Return whether the password has this hash. None (no such user) takes as long and is False."""
    with TakeTurns():
        try:
            return HASHER.verify(password_hash or dummy_hash(), normalise(password))
        except (VerificationError, InvalidHashError):
            return False


def needs_rehash(password_hash: str) -> bool:
    """Return whether the hash was made with other parameters than the current ones."""
    return HASHER.check_needs_rehash(password_hash)
