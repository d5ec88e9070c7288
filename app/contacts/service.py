"""People: found by any of their addresses, made when first met, joined when two turn out one."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from app import db
from app.common.ids import new_id
from app.common.phone import Address
from app.contacts import merge, repository
from app.models import Contact


def find_or_create(session: Session, addresses: Sequence[Address], profile_name: str = "") -> UUID:
    """The contact who has these addresses, the first being the one in use; made if unknown.

    An address that was not known yet is added. When two contacts share the addresses of one
    message they are the same person: the one of the first address takes the other's history.
    """
    known = repository.contact_ids(session, addresses)
    if len(known) < len(addresses):
        repository.lock_address(session, db.tenant_of(session), addresses[0])
        known = repository.contact_ids(session, addresses)
    contact_id = next((known[each] for each in addresses if each in known), None)
    if contact_id is None:
        contact_id = new_id()
        session.add(Contact(id=contact_id, profile_name=profile_name))
        session.flush()
    for address in addresses:
        if address not in known:
            repository.add_alias(session, contact_id, address)
    if len(known) < len(addresses):
        # Another transaction may have given one of them to somebody else just now.
        known = repository.contact_ids(session, addresses)
    for other in sorted(set(known.values()) - {contact_id}):
        merge.merge(session, contact_id, other)
    if profile_name:
        remember_profile_name(session, contact_id, profile_name)
    return contact_id


def learn(session: Session, contact_id: UUID, addresses: Sequence[Address]) -> None:
    """A provider told us further addresses of this contact; those of somebody else stay his."""
    known = repository.contact_ids(session, addresses)
    for address in addresses:
        if address not in known:
            repository.add_alias(session, contact_id, address)


def has_address(session: Session, contact_id: UUID, address: Address) -> bool:
    return repository.contact_ids(session, [address]).get(address) == contact_id


def remember_profile_name(session: Session, contact_id: UUID, profile_name: str) -> None:
    contact = repository.get(session, db.tenant_of(session), contact_id)
    if contact is not None and contact.profile_name != profile_name:
        contact.profile_name = profile_name


def describe(session: Session, ids: Sequence[UUID]) -> dict[UUID, dict[str, str | None]]:
    """Contact id → `{id, name, phone, user_id}`, for lists."""
    found: dict[UUID, dict[str, str | None]] = {}
    for contact_id in set(ids):
        contact = repository.get(session, db.tenant_of(session), contact_id)
        if contact is not None:
            found[contact_id] = {
                "id": str(contact_id),
                "name": contact.name or contact.profile_name,
                "phone": None,
                "user_id": None,
            }
    for alias in repository.aliases_of(session, list(found)):
        found[alias.contact_id][alias.kind] = alias.value
    return found
