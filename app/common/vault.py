"""Encrypts and decrypts a tenant's secrets with its data key; the only user of the master keys."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app import config, db
from app.common import encryption
from app.common.encryption import CannotOpen, SealedColumn
from app.config import SettingsError
from app.models import Tenant

SHORTEST_HINTED = 8
"""Four characters of a shorter secret would reveal too much."""

ENDS = (Tenant.tenant_id.asc(), Tenant.tenant_id.desc())
"""Ids ascend in time."""


def data_key_column(tenant_id: UUID) -> SealedColumn:
    return SealedColumn(tenant_id, "tenants", "data_key", tenant_id)


def new_wrapped_data_key(tenant_id: UUID) -> bytes:
    """Return a new wrapped data key, for a tenant that is about to be created."""
    ring = config.current().encryption_keys
    return encryption.wrap_data_key(ring, encryption.new_data_key(), data_key_column(tenant_id))


def data_key(session: Session, *, hold: bool = False) -> bytes:
    """Return the data key of this transaction's tenant. Raises CannotOpen.

    With `hold`, a rotation of the key waits until the transaction ends.
    """
    tenant_id = db.tenant_of(session)
    query = select(Tenant.data_key)
    if hold:
        query = query.with_for_update(read=True, key_share=True)
    wrapped = session.scalars(query).one()
    ring = config.current().encryption_keys
    return encryption.unwrap_data_key(ring, wrapped, data_key_column(tenant_id))


def seal(session: Session, table: str, column: str, row_id: UUID, plain: bytes) -> bytes:
    """Encrypt a secret. A rotation of the key waits until the transaction ends: it would otherwise
    leave this secret encrypted with the old key."""
    where = SealedColumn(db.tenant_of(session), table, column, row_id)
    return encryption.seal(data_key(session, hold=True), plain, where)


def unseal(session: Session, table: str, column: str, row_id: UUID, sealed: bytes) -> bytes:
    """Raises CannotOpen."""
    where = SealedColumn(db.tenant_of(session), table, column, row_id)
    return encryption.unseal(data_key(session), sealed, where)


def hint(secret: str) -> str:
    """Return what may be shown of a secret: `…last4`."""
    return f"…{secret[-4:]}" if len(secret) >= SHORTEST_HINTED else "…"


def refuse_wrong_keys() -> None:
    """Raise SettingsError when ENCRYPTION_KEYS cannot decrypt the secrets of this database.

    Checks the oldest and the newest tenant. A database that is away, or has no schema yet, passes.
    """
    try:
        with db.system_session() as session:
            ids = [
                session.scalar(select(Tenant.tenant_id).order_by(order).limit(1)) for order in ENDS
            ]
        for tenant_id in {each for each in ids if each is not None}:
            with db.tenant_session(tenant_id) as session:
                data_key(session)
    except DBAPIError:
        return
    except CannotOpen as error:
        raise SettingsError(
            [
                f"ENCRYPTION_KEYS cannot decrypt the secrets in this database ({error}). Set the "
                "keys that the installation had before, or use another database."
            ]
        ) from error
