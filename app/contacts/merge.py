"""Two contacts that turn out to be one person become one, with one history."""

from uuid import UUID

from sqlalchemy.orm import Session

from app import db
from app.contacts import repository
from app.events import service as events
from app.models import Conversation, Owner


def merge(session: Session, keep_id: UUID, lose_id: UUID) -> None:
    """`keep_id` takes the aliases, attributes, conversations and messages of `lose_id`."""
    tenant_id = db.tenant_of(session)
    keep = repository.get(session, tenant_id, keep_id)
    lose = repository.get(session, tenant_id, lose_id)
    if keep is None or lose is None:
        return
    if repository.both_in_flight(session, keep_id, lose_id):
        # One conversation has one message in flight: their next message joins them.
        return
    keep.name = keep.name or lose.name
    keep.profile_name = keep.profile_name or lose.profile_name
    keep.attributes = {**lose.attributes, **keep.attributes}
    repository.move_aliases(session, lose_id, keep_id)
    kept = {each.channel_id: each for each in repository.conversations_of(session, keep_id)}
    for conversation in repository.conversations_of(session, lose_id):
        _take_over(session, kept.get(conversation.channel_id), conversation, keep_id)
    session.flush()
    repository.remove(session, lose_id)
    session.expunge(lose)
    events.record(
        session, "contact.merged", {"contact_id": str(keep_id), "merged_id": str(lose_id)}
    )


def _take_over(
    session: Session, target: Conversation | None, source: Conversation, keep_id: UUID
) -> None:
    if target is None:
        source.contact_id = keep_id
        session.flush()
        repository.repoint_messages(session, source.id, keep_id)
        return
    target.message_count += source.message_count
    target.last_message_at = max(target.last_message_at, source.last_message_at)
    if Owner.HUMAN in {target.owner, source.owner}:
        target.owner = Owner.HUMAN
    heard = [at for at in (target.last_inbound_at, source.last_inbound_at) if at is not None]
    target.last_inbound_at = max(heard, default=None)
    repository.move_messages(session, source.id, target)
    session.flush()
    repository.remove_conversation(session, source.id)
    session.expunge(source)
