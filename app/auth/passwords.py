"""Passwords: argon2id, a few at a time, with the same work for a user who does not exist."""

import base64
import os
import string
import threading
import time
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from app.errors import InvalidInput, Unavailable

AROUND = string.digits + string.punctuation
"""What people put around a word to make a password of it."""

SHORTEST = 8
LONGEST = 200
DEMO_PASSWORD = "password"  # noqa: S105 - published; opens nothing but a developer's own machine
"""The published password of the demonstration users; nobody else can choose it."""

CONTEXT_WORDS = frozenset({"recado", "whatsapp", "password", "passwort", "contraseña"})
"""Words that a guesser of this service tries first; digits and signs around one change little."""

LONGEST_WAIT_SECONDS = 5.0
MOST_WAITING = 7
"""Sign-ins that wait while a hash is computed; each holds a thread of the web service."""
MOST_SIGNED_IN_WAITING = 2
"""Changes that wait while a hash is computed; most of them hold a database connection, too."""
NICENESS = 19
"""A hash is computed by a thread of low priority: a flood of sign-ins slows nobody else."""

SHARE = 0.25
"""The share of one core that a process spends on hashes at most."""

# One of the parameter sets that OWASP recommends: 19 MiB and about 20 ms of one core.
HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

T = TypeVar("T")


class Budget:
    """Computes hashes one at a time, in a thread of its own."""

    def __init__(self, most_waiting: int) -> None:
        self._places = threading.BoundedSemaphore(1 + most_waiting)
        self._thread = ThreadPoolExecutor(1, "passwords", initializer=_lower_priority)
        self._rested_at = 0.0

    def refuse_early(self) -> None:
        """Raises Unavailable when too many wait already, so that no other work is begun."""
        if not self._places.acquire(blocking=False):
            raise _overloaded()
        self._places.release()

    def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns. Raises Unavailable at once when too many wait already, and
        when it takes too long."""
        if not self._places.acquire(blocking=False):
            raise _overloaded()
        job = self._thread.submit(self._compute, work)
        job.add_done_callback(lambda _job: self._places.release())
        try:
            return job.result(LONGEST_WAIT_SECONDS)
        except TimeoutError:
            job.cancel()
            raise _overloaded() from None

    def _compute(self, work: Callable[[], T]) -> T:
        time.sleep(max(0.0, self._rested_at - time.monotonic()))
        # By the thread's own clock: on a busy machine most of the time is spent waiting for a core.
        began = time.thread_time()
        try:
            return work()
        finally:
            spent = time.thread_time() - began
            self._rested_at = time.monotonic() + spent * (1 / SHARE - 1)


def _lower_priority() -> None:
    # On Linux, a priority belongs to a thread.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _overloaded() -> Unavailable:
    return Unavailable(
        "Too many passwords are being checked at this moment. Try again in a few seconds.",
        code="overloaded",
    )


budget = Budget(MOST_WAITING)
"""For sign-ins."""
signed_in_budget = Budget(MOST_SIGNED_IN_WAITING)
"""For people who are signed in, so that a crowd of their calls keeps nobody from signing in."""


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


def check_rules(password: str, field: str = "password", username: str = "") -> None:
    """Raises InvalidInput naming `field` for a password that is not allowed."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise InvalidInput({field: [f"Choose {SHORTEST} to {LONGEST} characters."]})
    given = password.casefold()
    if given in common_passwords():
        reason = "This is one of the passwords that everybody tries first. Choose another one."
        raise InvalidInput({field: [reason]})
    names = {username.casefold(), username.casefold().partition("@")[0]} - {""}
    if names & {given, given.strip(AROUND)}:
        raise InvalidInput({field: ["This is the username. Choose another password."]})
    if "".join(filter(str.isalpha, given)) in CONTEXT_WORDS:
        reason = "This is a word that everybody tries first, with digits. Choose another password."
        raise InvalidInput({field: [reason]})


@lru_cache(maxsize=1)
def common_passwords() -> frozenset[str]:
    """Return the 30,000 passwords that were found most often in leaked databases; those that are
    too short anyway are left out."""
    return frozenset(each for each in FREQUENCY_LISTS["passwords"] if len(each) >= SHORTEST)


def hash_password(password: str) -> str:
    """Hash a password. Raises Unavailable when too many wait."""
    return signed_in_budget.run(lambda: HASHER.hash(normalise(password)))


def verify(password: str, password_hash: str | None) -> bool:
    """Return whether the password of a sign-in has this hash. None (no such user) takes as long and
    is False.

    Raises Unavailable when too many sign-ins wait.
    """
    return budget.run(lambda: _is_right(password, password_hash or dummy_hash()))


def verify_own(password: str, password_hash: str) -> bool:
    """Return whether the password of somebody who is signed in has this hash. Raises
    Unavailable."""
    return signed_in_budget.run(lambda: _is_right(password, password_hash))


def _is_right(password: str, password_hash: str) -> bool:
    try:
        return HASHER.verify(password_hash, normalise(password))
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(password_hash: str) -> bool:
    """Return whether the hash was made with other parameters than the current ones."""
    return HASHER.check_needs_rehash(password_hash)
