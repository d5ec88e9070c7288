"""API keys: `rk_live_<prefix>_<secret>`. The prefix finds the row; a hash of the whole key verifies
it.

The secret has 256 random bits, so a fast hash is enough: it cannot be found by guessing.
"""

import hashlib
import re
import secrets
import string
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.auth import repository
from app.auth.errors import HasApiKeys
from app.common import audit, caps, clock
from app.common.pagination import Page, PageRequest
from app.common.permissions import SCOPES, TEST_SCOPES
from app.common.principal import Principal
from app.errors import InvalidInput, NotFound
from app.models import ApiKey, KeyMode

LETTERS = string.ascii_letters + string.digits
PREFIX_LENGTH = 12
SECRET_LENGTH = 43
MOST_KEYS = 100
KEY = re.compile(r"rk_(?P<mode>live|test)_(?P<prefix>[A-Za-z0-9]{12})_(?P<secret>[A-Za-z0-9]{43})")


@dataclass(frozen=True)
class NewKey:
    name: str
    mode: KeyMode = KeyMode.LIVE
    scopes: list[str] | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class CreatedKey:
    """A key that was just created; `key` is its full text, which is shown once and not stored."""

    id: UUID
    name: str
    mode: KeyMode
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    key: str
    created_by: UUID | None
    last_used_at: datetime | None = None


def random_letters(length: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def hash_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def create_api_key(session: Session, maker: Principal, new: NewKey) -> CreatedKey:
    """Create a key. Raises InvalidInput, LimitReached."""
    caps.refuse_more(session, ApiKey, MOST_KEYS, "API keys", ApiKey.revoked_at.is_(None))
    prefix = random_letters(PREFIX_LENGTH)
    text = f"rk_{new.mode}_{prefix}_{random_letters(SECRET_LENGTH)}"
    row = ApiKey(
        name=new.name,
        mode=new.mode,
        prefix=prefix,
        secret_hash=hash_key(text),
        scopes=sorted(granted_scopes(maker, new.scopes, new.mode)),
        created_by=maker.id,
        expires_at=check_expiry(new.expires_at),
    )
    session.add(row)
    session.flush()
    changes: dict[str, Any] = {"name": row.name, "mode": row.mode, "scopes": row.scopes}
    audit.record(session, maker, "api_key.created", ("api_key", row.id), changes)
    return CreatedKey(
        id=row.id,
        name=row.name,
        mode=new.mode,
        prefix=row.prefix,
        scopes=row.scopes,
        created_at=row.created_at,
        expires_at=row.expires_at,
        key=text,
        created_by=row.created_by,
    )


def granted_scopes(maker: Principal, asked: list[str] | None, mode: KeyMode) -> set[str]:
    """Return the key's scopes: those requested, or all that its creator may grant. Raises
    InvalidInput."""
    allowed = TEST_SCOPES if mode is KeyMode.TEST else SCOPES
    givable = {str(scope) for scope in allowed & maker.permissions}
    if asked is None:
        return givable
    if not asked:
        raise InvalidInput({"scopes": ["Name at least one, or leave the field out for all."]})
    if unknown := sorted(set(asked) - givable):
        who = "A test key cannot have" if mode is KeyMode.TEST else "You cannot grant"
        reason = f"{who} {', '.join(unknown)}. Choose among: {', '.join(sorted(givable))}."
        raise InvalidInput({"scopes": [reason]})
    return set(asked)


def check_expiry(moment: datetime | None) -> datetime | None:
    """Raises InvalidInput for a time in the past."""
    if moment is not None and moment <= clock.now():
        raise InvalidInput(
            {"expires_at": [("This time has passed already. Give one in the future.")]}
        )
    return moment


def list_api_keys(session: Session, request: PageRequest) -> Page[ApiKey]:
    return repository.api_keys_page(session, request)


def revoke_api_key(session: Session, actor: Principal, key_id: UUID) -> None:
    """Revoke the key from the next request on. Raises NotFound."""
    row = repository.find_api_key(session, key_id)
    if row is None:
        raise NotFound
    row.revoked_at = clock.now()
    audit.record(session, actor, "api_key.revoked", ("api_key", row.id), {"name": row.name})


def settle_keys_of(
    session: Session, actor: Principal, user_id: UUID, *, revoke: bool | None
) -> None:
    """Revoke the keys that a member created, or leave them, before the member is removed.

    Raises HasApiKeys, naming the keys, while nobody has decided (None).
    """
    keys = repository.api_keys_of(session, user_id)
    if keys and revoke is None:
        shown = [{"id": str(key.id), "name": key.name, "mode": key.mode} for key in keys]
        raise HasApiKeys(
            f"This member created {len(keys)} API keys that are in use: see details.api_keys. "
            "Repeat with revoke_api_keys=true to revoke them too, or =false to keep them.",
            details={"api_keys": shown},
        )
    for key in keys if revoke else []:
        revoke_api_key(session, actor, key.id)


def scope_names() -> list[str]:
    return sorted(str(scope) for scope in SCOPES)
