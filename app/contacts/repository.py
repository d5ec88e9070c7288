from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Text, bindparam, delete, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session

from app.common.ids import new_id
from app.common.phone import Address
from app.models import Contact, ContactAlias

_LOCK_ADDRESSES = text("""
    select pg_advisory_xact_lock(key) from (
        select hashtextextended(name, 0) as key from unnest(:names) as name order by key offset 0
    ) as sorted
""").bindparams(bindparam("names", type_=ARRAY(Text())))

_TRY_LOCK_ADDRESS = text("select pg_try_advisory_xact_lock(hashtextextended(:name, 0))")


def lock_addresses(session: Session, tenant_id: UUID, addresses: Sequence[Address]) -> None:
    """Lock these addresses, in one order, so that one transaction at a time gives them to a
    contact."""
    names = [_lock_name(tenant_id, address) for address in addresses]
    session.execute(_LOCK_ADDRESSES, {"names": names})


def try_lock_address(session: Session, tenant_id: UUID, address: Address) -> bool:
    """Lock one address without waiting; return False while another transaction has the lock."""
    return bool(session.scalar(_TRY_LOCK_ADDRESS, {"name": _lock_name(tenant_id, address)}))


def _lock_name(tenant_id: UUID, address: Address) -> str:
    return f"contact|{tenant_id}|{address.kind}|{address.value}"


def contact_ids(session: Session, addresses: Sequence[Address]) -> dict[Address, UUID]:
    """Return the contact of each address that is known."""
    wanted = {(str(address.kind), address.value): address for address in addresses}
    rows = session.execute(
        select(ContactAlias.kind, ContactAlias.value, ContactAlias.contact_id).where(
            tuple_(ContactAlias.kind, ContactAlias.value).in_(list(wanted))
        )
    )
    return {wanted[(row.kind, row.value)]: row.contact_id for row in rows}


def get(session: Session, tenant_id: UUID, contact_id: UUID) -> Contact | None:
    return session.get(Contact, (tenant_id, contact_id))


def hold(session: Session, contact_id: UUID, *, wait: bool = True) -> bool:
    """Lock the contact against a merge until the transaction ends; return False when it is gone.

    Any transaction that creates, changes or writes to a conversation holds its contact first. Many
    transactions may hold it at once. Without `wait`, returns False also while another transaction
    is merging it.
    """
    query = select(Contact.id).where(Contact.id == contact_id)
    held = query.with_for_update(read=True, key_share=True, skip_locked=not wait)
    return session.scalar(held) is not None


def lock(session: Session, contact_ids: Collection[UUID]) -> Mapping[UUID, Contact]:
    """Lock those of these contacts that still exist, exclusively; return them by id."""
    query = (
        select(Contact)
        .where(Contact.id.in_(contact_ids))
        # In one order, so that two merges cannot deadlock.
        .order_by(Contact.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return {contact.id: contact for contact in session.scalars(query)}


def add_alias(session: Session, contact_id: UUID, address: Address) -> None:
    """Add the address to the contact. Does nothing when it belongs to a contact already."""
    session.flush()
    session.execute(
        insert(ContactAlias)
        .values(id=new_id(), contact_id=contact_id, kind=str(address.kind), value=address.value)
        .on_conflict_do_nothing(index_elements=["tenant_id", "kind", "value"])
    )


def described(session: Session, ids: Sequence[UUID]) -> Sequence[Any]:
    """Return (id, name, profile_name, kind, value) of each address of these contacts, oldest first.
    The last two are None for a contact without an address."""
    query = (
        select(
            Contact.id,
            Contact.name,
            Contact.profile_name,
            ContactAlias.kind,
            ContactAlias.value,
        )
        .outerjoin(
            ContactAlias,
            (ContactAlias.tenant_id == Contact.tenant_id) & (ContactAlias.contact_id == Contact.id),
        )
        .where(Contact.id.in_(ids))
        .order_by(ContactAlias.id)
    )
    return session.execute(query).all()


def move_aliases(session: Session, from_id: UUID, to_id: UUID) -> None:
    session.execute(
        update(ContactAlias)
        .where(ContactAlias.contact_id == from_id)
        .values(contact_id=to_id)
        .execution_options(synchronize_session=False)
    )


def move_bot_spend(session: Session, from_id: UUID, to_id: UUID) -> None:
    """Add what bots spent on one contact to what they spent on another."""
    for statement in (_ADD_SPEND, _REMOVE_SPEND):
        session.execute(statement, {"source": from_id, "target": to_id})


# They are locked in the order in which app/bots/budget.py locks those of a contact.
_ADD_SPEND = text("""
    with gone as (
        select * from recado.bot_spend where scope = 'contact' and scope_id = :source
        order by period, starts_on for update
    )
    insert into recado.bot_spend as s (
        tenant_id, scope, scope_id, period, starts_on,
        tokens, dollars, reserved_tokens, reserved_dollars
    )
    select tenant_id, scope, :target, period, starts_on,
        tokens, dollars, reserved_tokens, reserved_dollars
    from gone order by period, starts_on
    on conflict (tenant_id, scope, scope_id, period, starts_on) do update set
        tokens = s.tokens + excluded.tokens,
        dollars = s.dollars + excluded.dollars,
        reserved_tokens = s.reserved_tokens + excluded.reserved_tokens,
        reserved_dollars = s.reserved_dollars + excluded.reserved_dollars
""")
_REMOVE_SPEND = text("delete from recado.bot_spend where scope = 'contact' and scope_id = :source")


def remove(session: Session, contact_id: UUID) -> None:
    session.execute(delete(Contact).where(Contact.id == contact_id))
