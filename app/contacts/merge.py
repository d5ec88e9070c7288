"""Merging of contacts that turn out to be one person, with their histories."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.orm import Session

from app.contacts import repository
from app.conversations import merging as threads
from app.events import service as events
from app.events.catalogue import EventType
from app.models import Contact


class ContactGone(Exception):
    """Another transaction has merged one of these contacts."""


def merge(session: Session, keep_id: UUID, lose_ids: Sequence[UUID]) -> None:
    """Merge the contacts `lose_ids`, with their aliases, attributes, conversations and messages,
    into `keep_id`.

    All contacts are locked before anything moves. A send or a receive holds its contact before it
    writes, so it has either finished by now or waits. Raises ContactGone, with nothing changed.
    """
    held = repository.lock(session, [keep_id, *lose_ids])
    if len(held) < 1 + len(lose_ids):
        raise ContactGone
    for lose_id in lose_ids:
        _take_over(session, held[keep_id], held[lose_id])


def _take_over(session: Session, keep: Contact, lose: Contact) -> None:
    merged = threads.merge(session, keep.id, lose.id)
    if merged is None:
        # Their next message will merge them.
        return
    keep.name = keep.name or lose.name
    keep.profile_name = keep.profile_name or lose.profile_name
    keep.attributes = {**lose.attributes, **keep.attributes}
    repository.move_aliases(session, lose.id, keep.id)
    repository.move_bot_spend(session, lose.id, keep.id)
    session.flush()
    session.expunge(lose)
    repository.remove(session, lose.id)
    told = {
        "contact_id": str(keep.id),
        "merged_id": str(lose.id),
        "conversations": [{"id": str(to), "merged_id": str(gone)} for gone, to in merged.items()],
    }
    events.record(session, EventType.CONTACT_MERGED, told)
