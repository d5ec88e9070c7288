"""Conversations between a contact and a channel."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app import db
from app.auth import service as auth
from app.auth.service import MemberSummary
from app.channels import service as channels
from app.channels.service import ChannelSummary
from app.common import audit, clock
from app.common.pagination import Page, PageRequest
from app.common.phone import Address
from app.common.principal import Principal
from app.contacts import service as contacts
from app.contacts.service import ContactSummary
from app.conversations import auto_replies, ownership, repository, window
from app.conversations import summaries_repository as summaries
from app.conversations.errors import ConversationNotFound
from app.conversations.window import Window
from app.events import service as events
from app.events.catalogue import EventType
from app.models import Conversation, ConversationStatus, Summary

COUNT_OUTGOING = repository.COUNT_OUTGOING
"""Counts one more outgoing message.

Takes `given_tenant_id`, `given_conversation_id` and `given_by_person`: whether a person of the
business wrote the message, which ends a pause of automatic replies.
"""


@dataclass(frozen=True)
class ConversationFilter:
    status: str | None = None
    owner: str | None = None
    assigned_to: UUID | None = None
    channel_id: UUID | None = None
    phone: Address | None = None


@dataclass(frozen=True)
class ConversationDetails:
    """A conversation with its contact, its channel and the state of its 24-hour window."""

    id: UUID
    is_test: bool
    contact: ContactSummary | None
    channel: ChannelSummary | None
    status: str
    owner: str
    owner_since: datetime | None
    owner_reason: str
    assigned_to: MemberSummary | None
    message_count: int
    last_message_at: datetime
    window: Window
    window_expires_at: datetime | None
    created_at: datetime
    closed_at: datetime | None
    auto_replies_paused_until: datetime | None


def get(session: Session, conversation_id: UUID) -> Conversation:
    """Raises ConversationNotFound."""
    found = repository.get(session, db.tenant_of(session), conversation_id)
    if found is None:
        raise ConversationNotFound
    return found


def hold(session: Session, conversation_id: UUID) -> Conversation:
    """Return the conversation, protected from a merge until the transaction ends.

    Raises ConversationNotFound.
    """
    for _ in range(contacts.MOST_TRIES):
        found = repository.hold(session, conversation_id)
        if found is not None:
            return found
        if repository.get(session, db.tenant_of(session), conversation_id, fresh=True) is None:
            raise ConversationNotFound
    raise contacts.busy()


def thread(
    session: Session,
    channel_id: UUID,
    contact_id: UUID,
    address: Address,
    *,
    is_test: bool = False,
) -> Conversation:
    """Return the conversation of this contact on this channel; `address` is the contact's current
    one. Test messages have a conversation of their own.

    The caller holds the contact.
    """
    found = repository.get_or_create(
        session, channel_id, contact_id, address.value, is_test=is_test
    )
    move(found, address)
    return found


def move(conversation: Conversation, address: Address) -> None:
    """Set the address at which the contact is reached from now on."""
    if conversation.address != address.value:
        conversation.address = address.value


def count_incoming(session: Session, conversation_id: UUID, at: datetime) -> None:
    """Count a message that the customer wrote at `at`, which opens the 24-hour window."""
    repository.count_incoming(session, conversation_id, at)


def close_window(session: Session, conversation_id: UUID, at: datetime) -> None:
    """Record that the provider refused a message as outside the window; its call was prepared at
    `at`."""
    repository.close_window(session, conversation_id, at)


def may_reply_by_itself(
    session: Session,
    conversation_id: UUID,
    text: str,
    own_texts: Iterable[str],
    most: int | None = None,
) -> bool:
    """See `app/conversations/auto_replies.py`. Write the reply in the same transaction."""
    return auto_replies.may_reply(session, conversation_id, text, own_texts, most)


def bot_may_reply(session: Session, conversation_id: UUID, text: str, most: int) -> bool:
    """As `may_reply_by_itself`, for a bot, which gives at most so many answers in an hour. Where
    two machines seem to talk, the conversation is handed to people."""
    if not auto_replies.may_reply(session, conversation_id, text, (), most):
        return False
    conversation = lock(session, conversation_id)
    if conversation is None or not auto_replies.is_loop(session, conversation):
        return conversation is not None
    ownership.hand_over(session, conversation_id, ownership.LOOP)
    return False


def close(session: Session, actor: Principal, conversation_id: UUID) -> Conversation:
    """Close the conversation, which nobody owns from then on. Closing it again changes nothing."""
    hold(session, conversation_id)
    ownership.end(session, conversation_id)
    return _set_status(session, actor, conversation_id, ConversationStatus.CLOSED)


def reopen(session: Session, actor: Principal, conversation_id: UUID) -> Conversation:
    """Reopen the conversation, and end a pause of automatic replies even if it was not closed."""
    conversation = repository.lock(session, db.tenant_of(session), conversation_id)
    if conversation is not None and auto_replies.resume(conversation):
        subject = ("conversation", conversation_id)
        audit.record(session, actor, "conversation.auto_replies_resumed", subject)
    return _set_status(session, actor, conversation_id, ConversationStatus.ACTIVE)


def lock(session: Session, conversation_id: UUID) -> Conversation | None:
    """Return the current conversation, locked until the transaction ends."""
    return repository.lock(session, db.tenant_of(session), conversation_id)


def bot_takes(session: Session, conversation_id: UUID) -> bool:
    """See `app/conversations/ownership.py`."""
    return ownership.bot_takes(session, conversation_id)


def person_wrote(session: Session, conversation_id: UUID, *, is_template: bool) -> None:
    """See `app/conversations/ownership.py`."""
    ownership.person_wrote(session, conversation_id, is_template=is_template)


def hand_over(session: Session, conversation_id: UUID, reason: str) -> None:
    """See `app/conversations/ownership.py`."""
    ownership.hand_over(session, conversation_id, reason)


def of_contact(session: Session, contact_id: UUID, most: int) -> Sequence[Conversation]:
    """Return the conversations of a contact, the one with the newest message first."""
    return repository.of_contact(session, contact_id, most)


def forget(session: Session, contact_id: UUID) -> Sequence[Conversation]:
    """See `app/conversations/ownership.py`. Summaries are removed, too."""
    forgotten = ownership.forget(session, contact_id)
    summaries.forget(session, [each.id for each in forgotten])
    return forgotten


def summaries_of(session: Session, conversation_ids: Sequence[UUID]) -> dict[UUID, Summary]:
    """Return conversation → its summary, for those that have one."""
    return summaries.find(session, conversation_ids)


def keep_summary(
    session: Session, conversation_id: UUID, text: str, until: datetime, former: datetime | None
) -> bool:
    """See `app/conversations/summaries_repository.py`."""
    return summaries.keep(session, conversation_id, text, until, former)


def _set_status(
    session: Session, actor: Principal, conversation_id: UUID, status: ConversationStatus
) -> Conversation:
    conversation = hold(session, conversation_id)
    if conversation.status == status:
        return conversation
    conversation.status = status
    is_closed = status is ConversationStatus.CLOSED
    conversation.closed_at = clock.now() if is_closed else None
    event_type = EventType.CONVERSATION_CLOSED if is_closed else EventType.CONVERSATION_REOPENED
    audit.record(session, actor, str(event_type), ("conversation", conversation_id))
    events.record(
        session,
        event_type,
        {"conversation_id": str(conversation_id)},
        conversation_id=conversation_id,
    )
    return conversation


def list_page(
    session: Session, wanted: ConversationFilter, page: PageRequest
) -> Page[ConversationDetails]:
    address = (str(wanted.phone.kind), wanted.phone.value) if wanted.phone else None
    filters = {"status", "owner", "assigned_to", "channel_id"}
    equal = {name: value for name in filters if (value := getattr(wanted, name)) is not None}
    found = repository.list_page(session, page, equal, address)
    return Page(_describe_all(session, found.items), found.next_cursor)


def describe(session: Session, conversation: Conversation) -> ConversationDetails:
    (details,) = _describe_all(session, [conversation])
    return details


def _describe_all(
    session: Session, conversations: Sequence[Conversation]
) -> list[ConversationDetails]:
    """Describe them by one query for all contacts, one for all channels and one for all members."""
    people = contacts.summaries(session, [each.contact_id for each in conversations])
    senders = channels.summaries(session, [each.channel_id for each in conversations])
    members = auth.members(
        session, {each.assigned_to for each in conversations if each.assigned_to}
    )
    return [
        _describe(
            each,
            people.get(each.contact_id),
            senders.get(each.channel_id),
            members.get(each.assigned_to) if each.assigned_to else None,
        )
        for each in conversations
    ]


def _describe(
    conversation: Conversation,
    contact: ContactSummary | None,
    channel: ChannelSummary | None,
    assigned_to: MemberSummary | None,
) -> ConversationDetails:
    state = window.state_of(conversation, clock.now())
    return ConversationDetails(
        id=conversation.id,
        is_test=conversation.is_test,
        contact=contact,
        channel=channel,
        status=conversation.status,
        owner=conversation.owner,
        owner_since=conversation.owner_since,
        owner_reason=conversation.owner_reason,
        assigned_to=assigned_to,
        message_count=conversation.message_count,
        last_message_at=conversation.last_message_at,
        window=state.window,
        window_expires_at=state.expires_at,
        created_at=conversation.created_at,
        closed_at=conversation.closed_at,
        auto_replies_paused_until=auto_replies.paused_until(conversation),
    )
