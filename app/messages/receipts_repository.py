"""Queries for a group of receipts, which is read and written by few statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    DateTime,
    Integer,
    Text,
    Uuid,
    any_,
    bindparam,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Session

from app.common.ids import new_id
from app.events import catalogue
from app.events.catalogue import EventType
from app.messages import repository
from app.models import AttemptOutcome, Message, Status


@dataclass
class Progress:
    """The columns of a message that receipts without a failure change.

    `steps` are the transitions made since it was read; `let_go` says whether one of them releases
    the next message of its conversation.
    """

    id: UUID
    channel_id: UUID
    status: Status
    attempts: int
    provider_message_id: str | None
    to_number: str
    sent_at: datetime | None
    delivered_at: datetime | None
    read_at: datetime | None
    let_go: bool = False
    steps: list[Status] = field(default_factory=list)


_LOCK = (
    select(
        Message.id,
        Message.channel_id,
        Message.status,
        Message.attempts,
        Message.provider_message_id,
        Message.to_number,
        Message.sent_at,
        Message.delivered_at,
        Message.read_at,
    )
    .where(Message.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
    .order_by(Message.id)
    .with_for_update(key_share=True, skip_locked=True)
)


def lock(session: Session, ids: Sequence[UUID]) -> Mapping[UUID, Progress]:
    """Lock, until the transaction ends, those of these messages that nobody else has locked."""
    if not ids:
        return {}
    rows = session.execute(_LOCK, {"ids": list(ids)})
    return {row.id: Progress(row.id, row.channel_id, Status(row.status), *row[3:]) for row in rows}


_BIND = text("""
    update recado.attempts a
    set outcome = :outcome, provider_message_id = g.provider_message_id
    from unnest(:message_ids, :numbers, :provider_ids)
        as g (message_id, number, provider_message_id)
    where a.message_id = g.message_id and a.number = g.number
        and (a.outcome <> :outcome or a.provider_message_id is distinct from g.provider_message_id)
    returning a.id
""").bindparams(
    bindparam("message_ids", type_=ARRAY(Uuid())),
    bindparam("numbers", type_=ARRAY(Integer())),
    bindparam("provider_ids", type_=ARRAY(Text())),
    outcome=AttemptOutcome.ACCEPTED,
)


def bind_attempts(session: Session, bound: Sequence[tuple[UUID, int, str]]) -> int:
    """Record the provider's id of each (message, attempt's number, provider's id); return for how
    many attempts it was new."""
    if not bound:
        return 0
    message_ids, numbers, provider_ids = map(list, zip(*bound, strict=True))
    given = {"message_ids": message_ids, "numbers": numbers, "provider_ids": provider_ids}
    return len(session.execute(_BIND, given).all())


@dataclass(frozen=True)
class StepEvent:
    """A transition of a message, as its event has it."""

    message_id: UUID
    event_type: EventType
    payload: dict[str, Any]


_ADVANCE = text(f"""
    with given as (
        select * from unnest(:ids, :statuses, :provider_ids, :sent, :delivered, :read, :let_go)
            as given (id, status, provider_message_id, sent_at, delivered_at, read_at, let_go)
    ), moved as (
        update recado.messages m
        set status = g.status, provider_message_id = g.provider_message_id, sent_at = g.sent_at,
            delivered_at = g.delivered_at, read_at = g.read_at, lease_until = null,
            is_held = false, retry_at = null, error = null, updated_at = now()
        from given g where m.id = g.id
        returning m.tenant_id, m.id, m.conversation_id, g.let_go
    ), freed as ({repository.LET_GO})
    insert into recado.events (tenant_id, id, type, version, conversation_id, message_id, data)
    select m.tenant_id, e.id, e.type, e.version, m.conversation_id, m.id, e.data
    from unnest(:event_ids, :event_types, :event_versions, :event_message_ids, :event_data)
        as e (id, type, version, message_id, data)
    join moved m on m.id = e.message_id
""").bindparams(  # noqa: S608 (our own SQL)
    bindparam("ids", type_=ARRAY(Uuid())),
    bindparam("statuses", type_=ARRAY(Text())),
    bindparam("provider_ids", type_=ARRAY(Text())),
    bindparam("sent", type_=ARRAY(DateTime(timezone=True))),
    bindparam("delivered", type_=ARRAY(DateTime(timezone=True))),
    bindparam("read", type_=ARRAY(DateTime(timezone=True))),
    bindparam("let_go", type_=ARRAY(Boolean())),
    bindparam("event_ids", type_=ARRAY(Uuid())),
    bindparam("event_types", type_=ARRAY(Text())),
    bindparam("event_versions", type_=ARRAY(Integer())),
    bindparam("event_message_ids", type_=ARRAY(Uuid())),
    bindparam("event_data", type_=ARRAY(JSONB())),
)


def advance(session: Session, moved: Sequence[Progress], steps: Sequence[StepEvent]) -> None:
    """Write the new state of these messages and an event for each step, and release the messages
    held behind those with `let_go`."""
    session.execute(
        _ADVANCE,
        {
            "ids": [message.id for message in moved],
            "statuses": [message.status for message in moved],
            "provider_ids": [message.provider_message_id for message in moved],
            "sent": [message.sent_at for message in moved],
            "delivered": [message.delivered_at for message in moved],
            "read": [message.read_at for message in moved],
            "let_go": [message.let_go for message in moved],
            "event_ids": [new_id() for _ in steps],
            "event_types": [step.event_type for step in steps],
            "event_versions": [catalogue.version_of(step.event_type) for step in steps],
            "event_message_ids": [step.message_id for step in steps],
            "event_data": [step.payload for step in steps],
        },
    )
