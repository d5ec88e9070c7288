"""Running one turn: claim it, think without a transaction, finish it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import structlog

from app import db
from app.bots import budget, turns
from app.bots import turns_repository as repository
from app.bots.turns import Result, Work
from app.common.faultpoint import faultpoint
from app.models import TurnOutcome
from app.tasks import names
from app.tasks.ring import send

log = structlog.get_logger(__name__)

Think = Callable[[UUID, Work], Result]
"""(tenant, work) → what to say. It may take half a minute, and holds no transaction."""


CROWDED = 200
"""From so many turns in one process, which has 224 threads, a tenant gets FEW at once, so that some
tenants with slow models leave threads for all others."""

FEW = 10


class Places:
    """The turns that this process runs, by tenant."""

    def __init__(self) -> None:
        self._held: Counter[UUID] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def one(self, tenant_id: UUID) -> Iterator[bool]:
        """Hold a place for the block; yield False if the tenant gets none now."""
        with self._lock:
            is_free = self._held.total() < CROWDED or self._held[tenant_id] < FEW
            if is_free:
                self._held[tenant_id] += 1
        try:
            yield is_free
        finally:
            if is_free:
                with self._lock:
                    self._held[tenant_id] -= 1
                    self._held += Counter()  # drops those with nothing


places = Places()


def run(tenant_id: UUID, conversation_id: UUID, think: Think) -> None:
    """Run the turn of a conversation, if one is due and there is a place for it.

    Otherwise the scheduler enqueues it again as long as it is due.
    """
    with places.one(tenant_id) as is_free:
        waiting = _run(tenant_id, conversation_id, think) if is_free else None
    if waiting is not None:
        # It may have found its tenant's places taken.
        send(names.RUN_TURN, tenant_id, waiting)


def _run(tenant_id: UUID, conversation_id: UUID, think: Think) -> UUID | None:
    """Return the tenant's next conversation with a turn that is due."""
    with db.tenant_session(tenant_id) as session:
        work = turns.claim(session, conversation_id)
    if work is None:
        return None
    faultpoint("turn_claimed")
    result = think(tenant_id, work)
    faultpoint("turn_thought")
    with db.tenant_session(tenant_id) as session:
        outcome = turns.finish(session, work, result)
        waiting = repository.next_due(session)
        budget.settle(session, result.settlement)
    faultpoint("turn_after_commit")
    if result.needs_summary and outcome is TurnOutcome.ANSWERED:
        send(names.SUMMARIZE, tenant_id, work.conversation_id)
    log.info("turn_finished", turn_id=str(work.turn_id), outcome=outcome)
    return waiting
