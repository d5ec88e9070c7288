"""Reading messages, and what a person may do with one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.orm import Session

from app import db
from app.channels.providers.base import ProviderError
from app.common import audit
from app.common.pagination import Page, PageRequest
from app.common.principal import Principal
from app.conversations import service as conversations
from app.messages import lifecycle, repository
from app.messages.errors import CannotCancel, CannotSettle, MessageNotFound
from app.messages.repository import MessageFilter
from app.models import Attempt, Event, Message, Status
from app.tasks import names
from app.tasks.ring import ring

IN_DOUBT = frozenset({Status.UNCERTAIN, Status.UNKNOWN})

SETTLED_BY_HAND = ProviderError(
    code="settled_by_hand",
    cause="Somebody found out that this message did not arrive, and settled it so.",
    remedy="Send it again as a new message, if it still matters.",
)

STEP_OF_OUTCOME = {
    "started": "attempt started",
    "accepted": "attempt accepted by the provider",
    "refused": "attempt refused by the provider",
    "retry": "attempt not processed",
    "paused": "attempt not processed, which was not the message's fault",
    "uncertain": "attempt without a clear answer",
}


def get(session: Session, message_id: UUID) -> Message:
    """Raises MessageNotFound."""
    found = repository.get(session, db.tenant_of(session), message_id)
    if found is None:
        raise MessageNotFound
    return found


def list_page(session: Session, args: dict[str, Any]) -> Page[Message]:
    """One page of what `args` (the query of GET /api/messages) asks for."""
    wanted = dict(args)
    page = PageRequest(wanted.pop("limit"), wanted.pop("cursor"))
    if "phone" in wanted:
        wanted["phone"] = wanted["phone"].value
    return repository.list_page(session, MessageFilter(**wanted), page)


def history(session: Session, conversation_id: UUID, page: PageRequest) -> Page[Message]:
    """The messages of a conversation, oldest first. Raises ConversationNotFound."""
    conversations.get(session, conversation_id)
    return repository.history_page(session, conversation_id, page)


def timeline(session: Session, message_id: UUID) -> dict[str, Any]:
    """The message and its steps in the order of time."""
    message = get(session, message_id)
    steps = [_step_of_event(each) for each in repository.events_of(session, message_id)]
    for attempt in repository.attempts_of(session, message_id):
        steps += _steps_of_attempt(attempt)
    return {"message": message, "steps": sorted(steps, key=_time_of)}


def _time_of(step: dict[str, Any]) -> datetime:
    at: datetime = step["at"]
    return at


def _step_of_event(event: Event) -> dict[str, Any]:
    return {
        "at": event.created_at,
        "step": event.type.removeprefix("message."),
        "message_sid": event.data.get("message_sid"),
        "error": event.data.get("error"),
    }


def _steps_of_attempt(attempt: Attempt) -> list[dict[str, Any]]:
    common = {"attempt": attempt.number, "message_sid": attempt.provider_message_id}
    steps: list[dict[str, Any]] = [
        {"at": attempt.created_at, "step": STEP_OF_OUTCOME["started"], **common}
    ]
    if attempt.finished_at is not None:
        steps.append(
            {
                "at": attempt.finished_at,
                "step": STEP_OF_OUTCOME[attempt.outcome],
                "error": attempt.error,
                **common,
            }
        )
    return steps


def cancel(session: Session, actor: Principal, message_id: UUID) -> Message:
    """Raises MessageNotFound, CannotCancel."""
    message = _lock(session, actor, message_id)
    if not lifecycle.cancel(session, message):
        raise CannotCancel.at(message.status)
    audit.record(session, actor, "message.canceled", ("message", message_id))
    return message


def settle(session: Session, actor: Principal, message_id: UUID, outcome: str) -> Message:
    """A person decides on an uncertain or unknown message. Raises MessageNotFound, CannotSettle.

    `outcome` is one of `arrived`, `did_not_arrive` and `send_again`.
    """
    message = _lock(session, actor, message_id)
    if message.status not in IN_DOUBT:
        raise CannotSettle(details={"status": message.status})
    audit.record(session, actor, "message.settled", ("message", message_id), {"outcome": outcome})
    if outcome == "arrived":
        lifecycle.report(session, message, Status.DELIVERED)
    elif outcome == "did_not_arrive":
        lifecycle.write_off(session, message, SETTLED_BY_HAND)
    else:
        lifecycle.resend(session, message)
        message.due_at = func.now()
        message.error = None
    session.flush()
    session.refresh(message)
    # It held up its conversation, whatever becomes of it.
    ring(session, names.DELIVER_CHANNEL, db.tenant_of(session), message.channel_id)
    return message


def _lock(session: Session, actor: Principal, message_id: UUID) -> Message:
    """The message, held. Keys for tests and live keys find no message of the other kind."""
    message = repository.lock(session, db.tenant_of(session), message_id)
    if message is None or not (actor.is_user or actor.is_test == message.is_test):
        raise MessageNotFound
    return message
