"""`flask --app wsgi secrets …`: rotating the keys that encrypt stored secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import click
from sqlalchemy import select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from app import config, db
from app.cli.group import CommandGroup
from app.common import audit, encryption, vault
from app.common.encryption import CannotOpen, SealedColumn
from app.models import Bot, Channel, IdempotencyKey, Tenant, User

LIST_TENANTS = text("select recado.list_tenants(:asking, :after, :at_most)")
RESOLVE_USERNAME = text("select user_id from recado.resolve_username(:given)")
AT_ONCE = 500

group = CommandGroup("secrets", help="The keys that encrypt stored secrets.")


@dataclass(frozen=True)
class Sealed:
    """A column that holds text encrypted with the tenant's data key."""

    model: type[Any]
    column: InstrumentedAttribute[Any]


SEALED = (
    Sealed(Bot, Bot.model_key),
    Sealed(Bot, Bot.actions_key),
    Sealed(Channel, Channel.credentials),
    Sealed(IdempotencyKey, IdempotencyKey.answer),
    Sealed(User, User.totp_secret),
)
"""Every encrypted column; a test compares it with the models."""


@group.command("rotate")
@click.option(
    "--data-keys", is_flag=True, help="Also create new data keys and encrypt everything again."
)
@click.option("--tenant", type=click.UUID, help="Only this tenant.")
@click.option("--as", "username", help="All tenants, as this platform administrator sees them.")
def rotate(data_keys: bool, tenant: UUID | None, username: str | None) -> None:
    """Re-encrypt one tenant, or all with --as, with the first key of ENCRYPTION_KEYS.

    Put the new key first, keep the old one behind it, restart everything, run this, then remove the
    old key. Each tenant is one transaction, so an interrupted run can simply be repeated; without
    --data-keys, tenants that are done are skipped.
    """
    if (tenant is None) == (username is None):
        raise click.UsageError("Give either --tenant ID or --as USERNAME.")
    tenants = [tenant] if tenant else list_tenants(str(username))
    changed = failed = 0
    for number, tenant_id in enumerate(tenants, start=1):
        try:
            done = rotate_tenant(tenant_id, data_keys=data_keys)
        except CannotOpen as error:
            failed += 1
            click.echo(f"{number}/{len(tenants)} {tenant_id} FAILED: {error}", err=True)
            continue
        changed += done
        click.echo(f"{number}/{len(tenants)} {tenant_id} {'rotated' if done else 'was current'}")
    click.echo(f"{changed} of {len(tenants)} tenants rotated.")
    if failed:
        raise click.ClickException(
            f"{failed} could not be decrypted: put the named key back into ENCRYPTION_KEYS."
        )


def list_tenants(username: str) -> Sequence[UUID]:
    """No role of ours sees all tenants; the database lists them to a platform administrator."""
    found: list[UUID] = []
    with db.anonymous_session() as session:
        asking = session.scalar(RESOLVE_USERNAME, {"given": username})
        page: Sequence[UUID] = [] if asking is None else _page(session, asking, None)
        while page:
            found += page
            page = _page(session, asking, page[-1])
    if not found:
        raise click.ClickException(f"{username!r} is not an active platform administrator.")
    return found


def _page(session: Session, asking: Any, after: UUID | None) -> Sequence[UUID]:
    given = {"asking": asking, "after": after, "at_most": AT_ONCE}
    return session.scalars(LIST_TENANTS, given).all()


def rotate_tenant(tenant_id: UUID, *, data_keys: bool) -> bool:
    """Return whether anything had to change. Raises CannotOpen, changing nothing."""
    ring = config.current().encryption_keys
    where = vault.data_key_column(tenant_id)
    with db.tenant_session(tenant_id) as session:
        # A change of a channel waits for this row, and reads the new key afterwards.
        wrapped = session.scalars(select(Tenant.data_key).with_for_update()).one_or_none()
        if wrapped is None:
            raise CannotOpen("there is no such tenant")
        if not data_keys and encryption.is_wrapped_by_primary(ring, wrapped):
            return False
        key = encryption.unwrap_data_key(ring, wrapped, where)
        if data_keys:
            old, key = key, encryption.new_data_key()
            for sealed in SEALED:
                seal_anew(session, sealed, old, key)
        fresh = encryption.wrap_data_key(ring, key, where)
        session.execute(update(Tenant).values(data_key=fresh))
        action = "data_key.replaced" if data_keys else "data_key.rewrapped"
        audit.record(session, None, action, ("tenant", tenant_id))
    return True


def seal_anew(session: Session, sealed: Sealed, old: bytes, new: bytes) -> None:
    """Decrypt with the old key and encrypt with the new one, row by row. Raises CannotOpen."""
    model, column = sealed.model, sealed.column
    query = select(model.id, column).where(column.is_not(None)).with_for_update()
    for row_id, value in session.execute(query).all():
        where = SealedColumn(db.tenant_of(session), model.__tablename__, column.key, row_id)
        plain = encryption.unseal(old, value, where)
        anew = encryption.seal(new, plain, where)
        session.execute(update(model).where(model.id == row_id).values({column.key: anew}))
