"""Merging of conversations, when two contacts turn out to be one person."""

from collections import Counter
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.conversations import ownership, repository
from app.conversations import summaries_repository as summaries
from app.models import Conversation, ConversationStatus, Status

LATEST = (
    "last_inbound_at",
    "window_closed_at",
    "auto_replies_counted_from",
    "auto_replies_paused_until",
    # What bots are to have forgotten of either stays forgotten.
    "history_from",
)
"""For these times, the merged conversation gets the later one of the two."""


def merge(session: Session, keep_id: UUID, lose_id: UUID) -> dict[UUID, UUID] | None:
    """Move the conversations of the contact `lose_id`, with their messages, to `keep_id`.

    The caller has locked both contacts. Returns, for each conversation that is gone, the one that
    holds its messages now. Returns None, and changes nothing, when both contacts have a message in
    flight on the same channel, because a conversation has at most one message in flight.
    """
    threads = repository.lock_of_contacts(session, [keep_id, lose_id])
    waiting = repository.lock_waiting(session, [thread.id for thread in threads])
    in_flight = Counter(row.channel_id for row in waiting if row.status != Status.QUEUED)
    if any(number > 1 for number in in_flight.values()):
        return None
    kept = {_place(thread): thread for thread in threads if thread.contact_id == keep_id}
    merged = {}
    for thread in threads:
        if thread.contact_id != lose_id:
            continue
        target = kept.get(_place(thread))
        if target is None:
            _give(session, thread, keep_id)
        else:
            _join(session, target, thread)
            merged[thread.id] = target.id
    return merged


def _place(thread: Conversation) -> tuple[UUID, bool]:
    """A contact has one conversation for each of these."""
    return thread.channel_id, thread.is_test


def _give(session: Session, thread: Conversation, keep_id: UUID) -> None:
    thread.contact_id = keep_id
    session.flush()
    repository.move_messages(session, thread.id, conversation_id=thread.id, contact_id=keep_id)


def _join(session: Session, target: Conversation, source: Conversation) -> None:
    target.message_count += source.message_count
    target.last_message_at = max(target.last_message_at, source.last_message_at)
    ownership.join(target, source)
    if ConversationStatus.ACTIVE in {target.status, source.status}:
        target.status, target.closed_at = ConversationStatus.ACTIVE, None
    for name in LATEST:
        setattr(target, name, _later(getattr(target, name), getattr(source, name)))
    session.flush()
    repository.move_messages(
        session, source.id, conversation_id=target.id, contact_id=target.contact_id
    )
    repository.give_turns(session, source.id, target.id)
    summaries.join(session, source.id, target.id)
    session.expunge(source)
    repository.remove(session, source.id)


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((at for at in (one, other) if at is not None), default=None)
