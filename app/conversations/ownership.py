"""Who answers a conversation: nobody in particular, a bot, or a person. The only place that
changes it.

While a person owns a conversation, nothing answers it automatically. It ends when somebody releases
or closes the conversation, or when nobody has written there for HUMAN_IDLE_HOURS.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import Session

from app import config, db
from app.auth import service as auth
from app.common import audit, clock
from app.common.principal import Principal
from app.conversations import auto_replies, repository
from app.conversations.errors import ConversationNotFound
from app.conversations.window import Window, window_of
from app.errors import InvalidInput
from app.events import service as events
from app.events.catalogue import EventType
from app.messages import lifecycle
from app.models import Conversation, Owner

BOT = "bot"
CLOSED = "closed"
IDLE = "idle"
LOOP = "loop"
WROTE = "wrote"
MOST_AT_ONCE = 100
RANKS = (Owner.NOBODY, Owner.BOT, Owner.HUMAN)

NO_MEMBER = "There is no such active member. List yours at GET /tenants/me/users."


def take_over(
    session: Session, actor: Principal, conversation_id: UUID, reason: str
) -> Conversation:
    """Give the conversation to the caller: to this member, or to the team for an API key. Automatic
    replies that still wait are canceled.

    Raises ConversationNotFound.
    """
    person = actor.id if actor.is_user and actor.tenant_id == db.tenant_of(session) else None
    return _give(session, actor, conversation_id, person, reason)


def assign(
    session: Session, actor: Principal, conversation_id: UUID, user_id: UUID | None, reason: str
) -> Conversation:
    """Give the conversation to a member, or with None to the team.

    Raises ConversationNotFound, and InvalidInput for somebody who is no active member.
    """
    if user_id is not None and auth.active_member(session, user_id) is None:
        raise InvalidInput({"user_id": [NO_MEMBER]})
    return _give(session, actor, conversation_id, user_id, reason)


def _give(
    session: Session, actor: Principal, conversation_id: UUID, person: UUID | None, reason: str
) -> Conversation:
    conversation = _locked(session, conversation_id)
    before = (conversation.owner, conversation.assigned_to)
    if before != (Owner.HUMAN, person):
        _change(session, conversation, Owner.HUMAN, person, reason)
        auto_replies.resume(conversation)
        lifecycle.withdraw_automatic(session, conversation_id)
        action = "taken_over" if before[0] != Owner.HUMAN else "assigned"
        _record(session, actor, conversation, action)
    return conversation


def release(session: Session, actor: Principal, conversation_id: UUID, reason: str) -> Conversation:
    """Let automatic replies answer the conversation again. Changes nothing where no person owns it.

    Raises ConversationNotFound.
    """
    conversation = _locked(session, conversation_id)
    if conversation.owner == Owner.HUMAN:
        _change(session, conversation, Owner.NOBODY, None, reason)
        _record(session, actor, conversation, "released")
    return conversation


def end(session: Session, conversation_id: UUID) -> None:
    """Nobody owns a conversation that is closed; reopened, it begins anew.

    Raises ConversationNotFound.
    """
    conversation = _locked(session, conversation_id)
    if conversation.owner != Owner.NOBODY:
        _change(session, conversation, Owner.NOBODY, None, CLOSED)


def bot_takes(session: Session, conversation_id: UUID) -> bool:
    """Give a conversation that nobody owns to the bot; return whether the bot has it now."""
    conversation = _locked(session, conversation_id)
    if conversation.owner == Owner.NOBODY:
        _change(session, conversation, Owner.BOT, None, BOT)
    return conversation.owner == Owner.BOT


def hand_over(session: Session, conversation_id: UUID, reason: str) -> None:
    """Give a conversation to the team, because its bot asks for a person."""
    conversation = _locked(session, conversation_id)
    if conversation.owner != Owner.HUMAN:
        _change(session, conversation, Owner.HUMAN, None, reason)


def person_wrote(session: Session, conversation_id: UUID, *, is_template: bool) -> None:
    """Give the conversation to the team where a bot answers, because a person of the business
    writes there; also where nobody owns it and a bot would answer next, if the person replies to
    the customer. Whoever writes first, or sends a template, leaves what comes back to the bot."""
    conversation = _locked(session, conversation_id)
    is_reply = (
        conversation.owner == Owner.NOBODY
        and not is_template
        and window_of(conversation, clock.now()) is Window.OPEN
        and repository.has_bot(session, conversation.channel_id)
    )
    if conversation.owner == Owner.BOT or is_reply:
        _change(session, conversation, Owner.HUMAN, None, WROTE)
        lifecycle.withdraw_automatic(session, conversation_id)


def return_idle(session: Session) -> int:
    """Release conversations in which nobody has written for HUMAN_IDLE_HOURS; return how many."""
    idle = timedelta(hours=config.current().human_idle_hours)
    found = repository.lock_idle(session, idle, MOST_AT_ONCE)
    for conversation in found:
        _change(session, conversation, Owner.NOBODY, None, IDLE)
    return len(found)


def forget(session: Session, contact_id: UUID) -> Sequence[Conversation]:
    """Have bots read nothing of what was said so far with this contact; return its conversations.

    Who owns them stays. The caller holds the contact.
    """
    found = repository.lock_of_contacts(session, [contact_id])
    for conversation in found:
        conversation.history_from = func.now()
    return found


def join(target: Conversation, source: Conversation) -> None:
    """Keep a person's ownership of either, else a bot's, when two conversations become one."""
    if RANKS.index(Owner(source.owner)) > RANKS.index(Owner(target.owner)):
        target.owner, target.assigned_to = source.owner, source.assigned_to
        target.owner_since, target.owner_reason = source.owner_since, source.owner_reason
    target.owner_fence = max(target.owner_fence, source.owner_fence) + 1


def _locked(session: Session, conversation_id: UUID) -> Conversation:
    found = repository.lock(session, db.tenant_of(session), conversation_id)
    if found is None:
        raise ConversationNotFound
    return found


def _change(
    session: Session, conversation: Conversation, owner: Owner, person: UUID | None, reason: str
) -> None:
    previous = conversation.owner
    conversation.owner, conversation.assigned_to = owner, person
    conversation.owner_since = func.now()
    conversation.owner_reason = reason
    conversation.owner_fence += 1
    if owner == Owner.NOBODY:
        conversation.history_from = func.now()
    events.record(
        session,
        EventType.CONVERSATION_OWNER_CHANGED,
        {
            "conversation_id": str(conversation.id),
            "owner": str(owner),
            "previous_owner": str(previous),
            "assigned_to": str(person) if person else None,
            "reason": reason,
        },
        conversation_id=conversation.id,
    )


def _record(session: Session, actor: Principal, conversation: Conversation, action: str) -> None:
    changes = {"reason": conversation.owner_reason}
    if conversation.assigned_to is not None:
        changes["assigned_to"] = str(conversation.assigned_to)
    subject = ("conversation", conversation.id)
    audit.record(session, actor, f"conversation.{action}", subject, changes)
