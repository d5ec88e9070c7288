"""Each stored event becomes state in a transaction of its own; what cannot is parked and told."""

from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog
from sqlalchemy import func
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from app import db
from app.bots import service as bots
from app.channels.providers.base import Ignored, InboundMessage
from app.channels.providers.registry import provider_of
from app.common.faultpoint import faultpoint
from app.delivery import service as delivery
from app.events import service as events
from app.inbox import repository
from app.messages import service as messages
from app.models import InboxItem, InboxState

log = structlog.get_logger(__name__)

BATCH = 100
LEASE = timedelta(seconds=30)
"""An item whose worker died comes back after this."""

RETRY_AFTER = timedelta(seconds=2)
MOST_TRIES = 3
"""Before an item that fails is parked."""

MOST_LOST = 10
"""How often an item may be taken without an end. More than MOST_TRIES: a whole batch counts as
taken when its worker dies, and most of it was not even begun."""


def apply_due(tenant_id: UUID) -> int:
    """Apply what waits, oldest first; answers how many items it took."""
    with db.tenant_session(tenant_id) as session:
        ids = repository.take_due(session, LEASE, BATCH)
    for item_id in ids:
        try:
            with db.tenant_session(tenant_id) as session:
                apply_item(session, item_id)
                faultpoint("apply_before_commit")
        except (OperationalError, InterfaceError) as error:
            # Nothing is wrong with the item (the database is away, a deadlock, a timeout): its
            # lease brings it back.
            log.warning("cannot_apply_now", item_id=str(item_id), error=type(error.orig).__name__)
            if error.connection_invalidated:
                raise
        except Exception as error:
            log.exception("cannot_apply", item_id=str(item_id))
            _put_back(tenant_id, item_id, f"{type(error).__name__}: {error}"[:500])
        else:
            faultpoint("apply_after_commit")
    return len(ids)


def apply_item(session: Session, item_id: UUID) -> None:
    found = repository.lock_received(session, item_id)
    if found is None:
        return
    item, provider = found
    if item.tries > MOST_LOST:
        _park(session, item, "its worker or the database went away each time")
        return
    ignored = _apply(session, item, provider)
    item.state = InboxState.IGNORED if ignored else InboxState.APPLIED
    item.reason = ignored
    item.finished_at = func.now()


def _apply(session: Session, item: InboxItem, provider: str) -> str | None:
    """Do what the event says; answers why there was nothing to do, or None."""
    event = provider_of(provider).parse(item.raw)
    if isinstance(event, Ignored):
        return event.reason
    if isinstance(event, InboundMessage):
        message = messages.receive(session, item.channel_id, item.id, event, item.created_at)
        bots.answer(session, message)
        return None
    ignored = messages.apply_receipt(session, item.channel_id, event, item.created_at)
    if ignored is None and event.error is not None and event.error.throttled:
        db.after_commit(session, partial(delivery.slow_down, item.channel_id))
    return ignored


def _put_back(tenant_id: UUID, item_id: UUID, reason: str) -> None:
    """After a failure: again soon, or parked with its reason when that was the last try."""
    with db.tenant_session(tenant_id) as session:
        found = repository.lock_received(session, item_id)
        if found is None:
            return
        item, _ = found
        if item.tries >= MOST_TRIES:
            _park(session, item, reason)
        else:
            item.reason = reason
            item.due_at = func.now() + RETRY_AFTER


def _park(session: Session, item: InboxItem, reason: str) -> None:
    item.state = InboxState.PARKED
    item.reason = reason
    item.finished_at = func.now()
    log.error("parked", item_id=str(item.id), tries=item.tries)
    events.record(session, "inbox.parked", {"item_id": str(item.id), "reason": reason})
