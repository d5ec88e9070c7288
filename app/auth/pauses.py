"""Growing pauses between guesses at one person's password or code, whatever the addresses.

Whoever signed in from a network before is counted apart there, so that strangers who guess cannot
keep a person out of their own account.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from limits.storage import Storage

from app.auth.errors import TooManyGuesses
from app.extensions import limiter

FREE_GUESSES = 5
"""Wrong guesses without a pause."""
FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 900
"""Each further wrong guess doubles the pause, up to this one."""
REMEMBER_SECONDS = 24 * 3600
"""After so long wrong guesses are forgotten."""
KNOWN_SECONDS = 30 * 24 * 3600
"""For so long a network is known after a sign-in."""


@dataclass(frozen=True)
class Guesses:
    """The guesses at one secret: of a person anywhere, or of a person in one known network."""

    key: str
    known_key: str = ""
    is_cleared: bool = True
    """Whether a right guess clears the wrong ones."""

    @contextmanager
    def counted(self, *wrong: type[Exception]) -> Iterator["Guesses"]:
        """Count the block as a guess, which was wrong if it raises one of these.

        Raises TooManyGuesses during a pause. A block that waits calls `refuse` again before it
        judges: of many guesses at once, most began before the pause.
        """
        self.refuse()
        try:
            yield self
        except wrong:
            self._note_wrong()
            raise
        self._note_right()

    def refuse(self) -> None:
        """Raises TooManyGuesses during a pause."""
        seconds = _storage().get_expiry(self._pause) - time.time()
        if _storage().get(self._pause) and seconds > 0:
            raise TooManyGuesses(headers={"Retry-After": str(int(seconds) + 1)})

    def _note_wrong(self) -> None:
        """Count a wrong guess, and begin a pause after too many."""
        pause = pause_after(_storage().incr(f"wrong:{self.key}", REMEMBER_SECONDS))
        if pause:
            _storage().clear(self._pause)
            _storage().incr(self._pause, pause)

    def _note_right(self) -> None:
        """Clear the wrong guesses, and remember the network."""
        if self.is_cleared:
            _storage().clear(f"wrong:{self.key}")
        if self.known_key:
            _storage().clear(self.known_key)
            _storage().incr(self.known_key, KNOWN_SECONDS)

    @property
    def _pause(self) -> str:
        return f"pause:{self.key}"


def pause_after(wrong: int) -> int:
    """Return the seconds of the pause after so many wrong guesses; 0 for none."""
    if wrong < FREE_GUESSES:
        return 0
    doublings = min(wrong - FREE_GUESSES, 20)
    return int(min(FIRST_PAUSE_SECONDS * 2**doublings, LONGEST_PAUSE_SECONDS))


def sign_ins(username: str, network: str) -> Guesses:
    """Return the guesses at the password of a username, which may not exist, from a network."""
    person = _digest(username.casefold())
    place = _digest(f"{person}:{network}")
    known_key = f"known:{place}"
    return Guesses(place if _storage().get(known_key) else person, known_key)


def own_password(user_id: UUID) -> Guesses:
    """Return the guesses of a signed-in person at their own password."""
    return Guesses(f"own-password:{user_id}")


def own_code(user_id: UUID) -> Guesses:
    """Return the guesses of a signed-in person at the code of their second factor.

    They are counted apart: whoever knows the password must not clear them by giving it.
    """
    return Guesses(f"own-code:{user_id}")


def taken_usernames(tenant_id: UUID) -> Guesses:
    """Return the attempts of a tenant to add a member, which are wrong if the username is taken.

    A free username must not clear them: whoever looks for usernames of other tenants would add one
    in between.
    """
    return Guesses(f"usernames:{tenant_id}", is_cleared=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:32]


def _storage() -> Storage:
    return limiter.storage
