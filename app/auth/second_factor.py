"""The second factor of those who want one: codes of an authenticator app (TOTP, RFC 6238), and ten
recovery codes for the day on which the phone is lost."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

import pyotp
from sqlalchemy.orm import Session

from app import config, db
from app.auth import passwords, pauses, repository
from app.auth.errors import (
    NothingToConfirm,
    SecondFactorExists,
    SecondFactorRequired,
    SecondFactorWrong,
    TokenRevoked,
)
from app.common import audit, clock, vault
from app.common.principal import Principal
from app.errors import InvalidInput
from app.models import Role, User

ISSUER = "Recado"
STEP_SECONDS = 30
DRIFT = (0, -1, 1)
"""Steps by which the phone's clock may differ."""
RECOVERY_CODES = 10
RECOVERY_BYTES = 15
"""120 random bits in 24 letters. From 112 bits on, a plain hash protects a code that is stored."""


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app needs: the secret, or the same as a URI for a QR code."""

    secret: str
    uri: str


def is_missing(role: str, *, has_one: bool) -> bool:
    """Return whether this person has to set up a second factor before anything else."""
    needs_one = config.current().platform_second_factor and role == Role.PLATFORM_ADMIN
    return needs_one and not has_one


def check(session: Session, user: User, code: str | None) -> None:
    """Accept a code of this user, who is locked, if there is a second factor.

    Each code is accepted once. Raises SecondFactorRequired, SecondFactorWrong.
    """
    if not user.has_second_factor:
        return
    if not code:
        raise SecondFactorRequired
    given = _plain(code)
    if not (_accepts_totp(session, user, given) or _spends_recovery_code(user, given)):
        raise SecondFactorWrong


def start(principal: Principal, password: str) -> Enrolment:
    """Make a secret, which counts once a code of it was given to `confirm`.

    Raises InvalidInput for a wrong password, SecondFactorExists.
    """
    check_own_password(principal, password)
    secret = pyotp.random_base32()
    with db.tenant_session(principal.tenant_id) as session:
        user = _lock(session, principal)
        if user.has_second_factor:
            raise SecondFactorExists
        plain = secret.encode()
        user.totp_secret = vault.seal(session, "users", "totp_secret", user.id, plain)
        name = user.username
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=ISSUER))


def confirm(principal: Principal, code: str) -> list[str]:
    """Switch the second factor on, and return the recovery codes, only this once.

    Raises SecondFactorWrong, TooManyGuesses, NothingToConfirm.
    """
    codes = [_new_recovery_code() for _ in range(RECOVERY_CODES)]
    with (
        pauses.own_code(principal.id).counted(SecondFactorWrong) as guesses,
        db.tenant_session(principal.tenant_id) as session,
    ):
        user = _lock(session, principal)
        guesses.refuse()
        if user.totp_secret is None or user.has_second_factor:
            raise NothingToConfirm
        if not _accepts_totp(session, user, _plain(code)):
            raise SecondFactorWrong
        user.totp_since = clock.now()
        user.recovery_codes = [_digest(each) for each in codes]
        audit.record(session, principal, "second_factor.added", ("user", user.id))
    return ["-".join(each[at : at + 4] for at in range(0, len(each), 4)) for each in codes]


def remove(principal: Principal, password: str, code: str) -> None:
    """Raises InvalidInput for a wrong password, SecondFactorWrong, TooManyGuesses."""
    check_own_password(principal, password)
    with (
        pauses.own_code(principal.id).counted(SecondFactorWrong) as guesses,
        db.tenant_session(principal.tenant_id) as session,
    ):
        user = _lock(session, principal)
        guesses.refuse()
        check(session, user, code)
        forget(user)
        audit.record(session, principal, "second_factor.removed", ("user", user.id))


def forget(user: User) -> None:
    """Switch it off."""
    user.totp_secret = user.totp_since = user.totp_step = None
    user.recovery_codes = []


def check_own_password(principal: Principal, password: str) -> User:
    """Return the caller, if this is their password. Raises InvalidInput, TooManyGuesses."""
    with pauses.own_password(principal.id).counted(InvalidInput) as guesses:
        with db.tenant_session(principal.tenant_id) as session:
            user = repository.find_user(session, principal.id)
        is_right = user is not None and passwords.verify_own(password, user.password_hash)
        guesses.refuse()
        if user is not None and is_right:
            return user
        with db.tenant_session(principal.tenant_id) as session:
            audit.record(session, principal, "user.password_wrong", ("user", principal.id))
        raise InvalidInput({"current_password": ["This is not your current password."]})


def _accepts_totp(session: Session, user: User, code: str) -> bool:
    """Accept a code that is newer than the last one."""
    if user.totp_secret is None or len(code) != 6:
        return False
    secret = vault.unseal(session, "users", "totp_secret", user.id, user.totp_secret).decode()
    now = clock.now()
    for drift in DRIFT:
        moment = now + timedelta(seconds=drift * STEP_SECONDS)
        step = int(moment.timestamp()) // STEP_SECONDS
        if step > (user.totp_step or 0) and pyotp.TOTP(secret).verify(code, for_time=moment):
            user.totp_step = step
            return True
    return False


def _spends_recovery_code(user: User, code: str) -> bool:
    digest = _digest(code)
    if digest not in user.recovery_codes:
        return False
    user.recovery_codes = [each for each in user.recovery_codes if each != digest]
    return True


def _plain(code: str) -> str:
    """Return a code as it is compared, however a person wrote it."""
    return code.replace(" ", "").replace("-", "").upper()


def _new_recovery_code() -> str:
    return base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode()


def _digest(code: str) -> str:
    """A recovery code has 120 random bits, which nobody finds from its plain hash."""
    return hashlib.sha256(code.encode()).hexdigest()


def _lock(session: Session, principal: Principal) -> User:
    user = repository.find_user(session, principal.id, lock=True)
    if user is None:
        raise TokenRevoked
    return user
