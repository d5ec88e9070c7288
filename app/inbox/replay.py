"""Applying parked or ignored items again, once the cause was fixed."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from app import db
from app.common import audit, clock
from app.common.principal import Principal
from app.inbox import ledger, repository
from app.inbox.errors import CannotReplay
from app.inbox.repository import InboxFilter
from app.metrics import service as metrics
from app.models import InboxItem, InboxState
from app.tasks import names
from app.tasks.ring import ring

REPLAYABLE = (InboxState.PARKED, InboxState.IGNORED)
"""Applied items are excluded: a message would be stored twice."""

MOST_AT_ONCE = 10_000


@dataclass(frozen=True)
class Replayed:
    """How many items were put back. `has_more`: the range holds others; call again."""

    replayed: int
    has_more: bool


def replay_item(session: Session, actor: Principal, item_id: UUID) -> InboxItem:
    """Raises InboxItemNotFound, CannotReplay."""
    item = ledger.get_item(session, item_id, lock=True)
    if item.state not in REPLAYABLE:
        raise CannotReplay
    repository.put_back(session, [item_id])
    metrics.count_inbox(session, "replayed")
    audit.record(session, actor, "inbox.replayed", ("inbox_item", item_id), {"was": item.state})
    ring(session, names.APPLY_INBOX, db.tenant_of(session))
    session.refresh(item)
    return item


def replay_range(session: Session, actor: Principal, wanted: InboxFilter) -> Replayed:
    """Put back the oldest MOST_AT_ONCE items that match `wanted`; its state must be one of
    REPLAYABLE."""
    ids = repository.lock_some(session, wanted, MOST_AT_ONCE)
    replayed = repository.put_back(session, ids)
    metrics.count_inbox(session, "replayed", replayed)
    changes = {
        "since": clock.isoformat(wanted.since),
        "until": clock.isoformat(wanted.until),
        "state": wanted.state,
        "count": replayed,
    }
    audit.record(session, actor, "inbox.range_replayed", ("inbox", None), changes)
    ring(session, names.APPLY_INBOX, db.tenant_of(session))
    return Replayed(replayed, has_more=replayed == MOST_AT_ONCE)
