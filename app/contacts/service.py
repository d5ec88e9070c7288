"""Contacts: found by any of their addresses, created when first seen, merged when two are one
person."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app import db
from app.common.ids import new_id
from app.common.phone import Address
from app.contacts import merge, repository
from app.errors import Unavailable
from app.models import Contact

MOST_TRIES = 5
"""A retry is needed only if another merge of the same person happens in the meantime."""


@dataclass(frozen=True)
class ContactSummary:
    """What other answers show of a contact; `phone` and `user_id` are its newest addresses."""

    id: UUID
    name: str
    phone: str | None = None
    user_id: str | None = None


def find_or_create(session: Session, addresses: Sequence[Address], profile_name: str = "") -> UUID:
    """Return the contact who has these addresses, the first being the current one; create it if
    unknown.

    Addresses that were not known yet are added. When two contacts share the addresses of one
    message they are the same person, and the contact of the first address gets the other's history.
    The contact cannot be merged by another transaction until this one ends.
    """
    contact_id, known = _find(session, addresses, profile_name)
    for address in addresses:
        if address not in known:
            repository.add_alias(session, contact_id, address)
    if profile_name:
        remember_profile_name(session, contact_id, profile_name)
    return contact_id


def _find(
    session: Session, addresses: Sequence[Address], profile_name: str
) -> tuple[UUID, Mapping[Address, UUID]]:
    """Return the contact, held, and which of the addresses are known; lock the others."""
    for _ in range(MOST_TRIES):
        known = repository.contact_ids(session, addresses)
        unknown = [address for address in addresses if address not in known]
        if unknown:
            repository.lock_addresses(session, db.tenant_of(session), unknown)
            known = repository.contact_ids(session, addresses)
        owners = list(dict.fromkeys(known[each] for each in addresses if each in known))
        contact_id = _hold(session, owners) if owners else _create(session, profile_name)
        if contact_id is not None:
            return contact_id, known
    raise busy()


def _hold(session: Session, owners: Sequence[UUID]) -> UUID | None:
    """Return the first of these contacts, with the others merged into it; None when one is gone."""
    first, *others = owners
    if not others:
        return first if repository.hold(session, first) else None
    # If one of them is gone, the savepoint releases the locks.
    with contextlib.suppress(merge.ContactGone), session.begin_nested():
        merge.merge(session, first, others)
        return first
    return None


def _create(session: Session, profile_name: str) -> UUID:
    contact = Contact(id=new_id(), profile_name=profile_name)
    session.add(contact)
    session.flush()
    return contact.id


def busy() -> Unavailable:
    """Return the error for a caller that met a merge at each of several tries."""
    return Unavailable("This contact is being merged. Try again in a few seconds.")


def learn(session: Session, contact_id: UUID, addresses: Sequence[Address]) -> None:
    """Add addresses of this contact that a provider sent; those that belong to another contact stay
    there.

    Never waits, because the caller may hold a message, and contacts are locked before messages.
    Addresses that are locked now are learned from the next receipt.
    """
    known = repository.contact_ids(session, addresses)
    unknown = [address for address in addresses if address not in known]
    if not unknown or not repository.hold(session, contact_id, wait=False):
        return
    for address in unknown:
        if repository.try_lock_address(session, db.tenant_of(session), address):
            repository.add_alias(session, contact_id, address)


def find(session: Session, address: Address) -> UUID | None:
    """Return the contact who has this address; None if it is unknown."""
    return repository.contact_ids(session, [address]).get(address)


def find_held(session: Session, address: Address) -> UUID | None:
    """Return the same, who cannot be merged by another transaction until this one ends."""
    for _ in range(MOST_TRIES):
        contact_id = find(session, address)
        if contact_id is None or repository.hold(session, contact_id):
            return contact_id
    raise busy()


def has_address(session: Session, contact_id: UUID, address: Address) -> bool:
    return find(session, address) == contact_id


def remember_profile_name(session: Session, contact_id: UUID, profile_name: str) -> None:
    contact = repository.get(session, db.tenant_of(session), contact_id)
    if contact is not None and contact.profile_name != profile_name:
        contact.profile_name = profile_name


def summaries(session: Session, ids: Sequence[UUID]) -> dict[UUID, ContactSummary]:
    """Return the summary of each of these contacts that exists, by its id."""
    addresses: dict[UUID, dict[str, str]] = {}
    names: dict[UUID, str] = {}
    for row in repository.described(session, list(set(ids))):
        names[row.id] = row.name or row.profile_name
        of_contact = addresses.setdefault(row.id, {})
        if row.kind is not None:
            of_contact[row.kind] = row.value
    return {
        contact_id: ContactSummary(contact_id, name, **addresses[contact_id])
        for contact_id, name in names.items()
    }
