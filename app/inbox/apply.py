"""Applying inbox items: receipts in groups, everything else in a transaction of its own.

A group that fails is applied item by item, so that only the item that cannot be applied fails and
is parked.
"""

from collections.abc import Sequence, Set
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, func
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from app import db
from app.bots import service as bots
from app.channels.providers.base import Ignored, InboundMessage, StatusReceipt
from app.channels.providers.registry import provider_of
from app.common.faultpoint import faultpoint
from app.delivery import service as delivery
from app.events import service as events
from app.events.catalogue import EventType
from app.inbox import repository
from app.messages import service as messages
from app.metrics import service as metrics
from app.models import InboxItem, InboxState

log = structlog.get_logger(__name__)

BATCH = 100
LEASE = timedelta(seconds=30)
"""An item whose worker died is retried after this time."""

RETRY_AFTER = timedelta(seconds=2)
MOST_TRIES = 3
"""Attempts before an item that fails is parked."""

MOST_LOST = 10
"""How often an item may be taken without being finished. It is more than MOST_TRIES: when a worker
dies, its whole batch counts as taken, and most of it was not even begun."""


def apply_due(tenant_id: UUID) -> int:
    """Apply waiting items, oldest first; return how many were taken."""
    with db.tenant_session(tenant_id) as session:
        ids = repository.take_due(session, LEASE, BATCH)
    done = _apply_together(tenant_id, ids) if ids else frozenset()
    for item_id in ids:
        if item_id not in done:
            _apply_alone(tenant_id, item_id)
    return len(ids)


def _apply_together(tenant_id: UUID, ids: Sequence[UUID]) -> Set[UUID]:
    """Apply the usual receipts among these items in one transaction; return the items that are
    done."""
    try:
        with db.tenant_session(tenant_id) as session:
            done = apply_receipts(session, ids)
            faultpoint("apply_before_commit")
    except Exception as error:
        # Each of them is tried again alone, where the error shows.
        log.warning("cannot_apply_together", items=len(ids), error=type(error).__name__)
        return frozenset()
    if done:
        faultpoint("apply_after_commit")
    return done


def apply_receipts(session: Session, ids: Sequence[UUID]) -> Set[UUID]:
    """Apply the usual receipts among these items; return the items that are done."""
    found = [
        (row.id, messages.ReceivedReceipt(row.channel_id, event, row.created_at))
        for row in repository.lock_received_together(session, ids)
        if (event := _receipt_in(row)) is not None
    ]
    usual = messages.apply_group(session, [told for _, told in found])
    done = [item_id for (item_id, _), is_done in zip(found, usual, strict=True) if is_done]
    if done:
        repository.note_applied(session, done)
        metrics.count_inbox(session, InboxState.APPLIED, len(done))
    return frozenset(done)


def _receipt_in(row: Row[*tuple[Any, ...]]) -> StatusReceipt | None:
    """Return the item's receipt; None for anything else, and for an item that cannot be read."""
    if row.tries > MOST_LOST:
        return None
    try:
        event = provider_of(row.provider).parse(row.raw)
    except ValueError:
        return None
    return event if isinstance(event, StatusReceipt) else None


def _apply_alone(tenant_id: UUID, item_id: UUID) -> None:
    try:
        with db.tenant_session(tenant_id) as session:
            apply_item(session, item_id)
            faultpoint("apply_before_commit")
    except (OperationalError, InterfaceError) as error:
        # The item is not at fault (the database is away, a deadlock, a timeout): it is retried when
        # its lease ends.
        log.warning("cannot_apply_now", item_id=str(item_id), error=type(error.orig).__name__)
        if error.connection_invalidated:
            raise
    except Exception as error:
        log.exception("cannot_apply", item_id=str(item_id))
        _put_back(tenant_id, item_id, _reason_of(error))
    else:
        faultpoint("apply_after_commit")


def _reason_of(error: Exception) -> str:
    """Return why an item could not be applied. An error of the database may quote a person's words,
    so only its class and code are kept."""
    if isinstance(error, DBAPIError):
        return f"{type(error.orig).__name__} {getattr(error.orig, 'pgcode', None)}"
    return f"{type(error).__name__}: {error}"[:500]


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
    """Apply the item's event; return the reason if it was ignored, else None."""
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
    """Retry the item soon after a failure, or park it with the reason if that was the last
    attempt."""
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
    told = {"item_id": str(item.id), "reason": reason}
    events.record(session, EventType.INBOX_ITEM_PARKED, told)
