"""The engine that sends, for any number of channels, with few threads that never sleep.

Each channel with due messages has a *drain*. A drain claims what may be sent now, calls the
provider, and records the answers; none of these steps waits for another:

- a few *desk* threads claim and record; both are short transactions, and tenants take turns;
- a call occupies a thread of its own until the provider answers; the budget says how many calls may
  run, and of which channels;
- a timer starts what has to wait: for a slot of the channel's pace, or for the next query.

So a paced or slow channel keeps no thread from others, and a drain that has nothing to do costs
nothing until the scheduler, a send or an answer wakes it. All state that matters is in rows: the
claims of a process that dies end with their leases; see `settle.py`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app import config
from app.channels import service as channels
from app.channels.providers.base import Fault, NotProcessed, ProviderError, SendOutcome
from app.common import leases
from app.common.encryption import CannotOpen
from app.common.faultpoint import faultpoint
from app.delivery import claims, outcomes, pacing
from app.delivery.budget import MOST_CALLS, SLOW_SECONDS, Account, Budget, Ticket
from app.delivery.call import call
from app.delivery.claims import Claim, Claimed, Queue
from app.delivery.fair_pool import FairPool
from app.delivery.timer import Timer
from app.models import Priority
from app.tasks.drain import name_of
from app.tasks.ring import answered, unneeded

log = structlog.get_logger(__name__)

POOL_THREADS = 4

GROUP_SECONDS = 0.01
BUSY_GROUP_SECONDS = 0.1
"""How long to wait for other answers, so that one transaction records them all. It is longer while
many calls are in progress, because then the cost of a transaction limits the pace."""

BUSY = 8

GATHER_SECONDS = {Priority.REPLY: 0.03}
USUAL_GATHER_SECONDS = 0.1
"""How long to wait after a claim, so that one query claims what becomes due meanwhile: each query
costs two transactions. The first message after a pause never waits."""

STREAM_SECONDS = 0.5
"""If two claims follow each other within this time, messages come in a stream. The drain then
queries again by itself, and needs no wake-up for each message."""

RECORD_AGAIN_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 1.0
"""How long to wait after a failure, such as a database that is away."""


GONE = NotProcessed(
    ProviderError(
        code="channel_gone",
        cause="The channel was disabled or removed just before the message could leave.",
        remedy="Enable the channel: the message is sent then.",
    ),
    fault=Fault.OURS,
)
SEALED = NotProcessed(
    ProviderError(
        code="credentials_sealed",
        cause="This installation cannot decrypt the channel's credentials: their key is not in its "
        "ENCRYPTION_KEYS.",
        remedy="Enter the credentials again with PUT /channels/{id}, or ask the operator to "
        "add the key.",
    ),
    fault=Fault.CHANNEL,
)


class Look(Enum):
    """The state of a drain between two queries."""

    IDLE = auto()
    WANTED = auto()
    RUNNING = auto()
    WANTED_AGAIN = auto()


@dataclass(eq=False)
class Drain:
    """The sending of one queue. The engine's lock guards its fields.

    `connection` holds the channel's client, or why there is none. `has_rest`: the last query found
    more than it claimed. `open_calls` counts claims whose outcome is not recorded yet; `answers`
    are outcomes still to be recorded.
    """

    queue: Queue
    account: Account
    look: Look = Look.IDLE
    not_before: float = 0.0
    looked_at: float = 0.0
    claimed_at: float = 0.0
    gate: pacing.Gate = field(default_factory=pacing.Gate)
    connection: channels.Connection | NotProcessed = GONE
    lease: leases.Lease | None = None
    has_rest: bool = False
    open_calls: int = 0
    answers: list[tuple[Claim, SendOutcome]] = field(default_factory=list)
    is_recording: bool = False
    sent: int = 0


class Engine:
    """Sends what is due on the queues that it is woken for. `task` is the name of the task that
    wakes it."""

    def __init__(self, task: str) -> None:
        self._task = task
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._drains: dict[Queue, Drain] = {}
        self._budget = Budget()
        self._timer = Timer()
        self._pool_of_tenants = FairPool(POOL_THREADS)
        self._callers = ThreadPoolExecutor(MOST_CALLS, thread_name_prefix="call")
        self._is_stopping = False

    def wake(self, queue: Queue) -> None:
        """Query this queue soon: something may be due. Returns at once."""
        with self._lock:
            if self._is_stopping:
                return
            drain = self._drains.get(queue)
            if drain is None:
                drain = Drain(queue, self._budget.open(queue))
                self._drains[queue] = drain
            self._want_look(drain)

    def stop(self, seconds: float) -> bool:
        """Claim nothing more, and wait up to `seconds` until the outcomes of all calls are
        recorded."""
        with self._lock:
            self._is_stopping = True
            for drain in list(self._drains.values()):
                self._retire_if_done(drain)
        return self.wait_until_idle(seconds)

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait up to `seconds`; return whether nothing is due or in progress any more."""
        with self._idle:
            return self._idle.wait_for(lambda: not self._drains, seconds)

    # Claiming

    def _want_look(self, drain: Drain) -> None:
        if self._is_stopping or drain.look in {Look.WANTED, Look.WANTED_AGAIN}:
            return
        if drain.look is Look.RUNNING:
            drain.look = Look.WANTED_AGAIN
            return
        drain.look = Look.WANTED
        if drain.not_before > time.monotonic():
            self._timer.at(drain.not_before, partial(self._submit, self._look, drain))
        else:
            self._submit(self._look, drain)

    def _submit(self, action: Callable[[Drain], None], drain: Drain) -> None:
        self._pool_of_tenants.submit(drain.queue.tenant_id, partial(self._guarded, action, drain))

    def _guarded(self, action: Callable[[Drain], None], drain: Drain) -> None:
        try:
            action(drain)
        except Exception:
            log.exception("drain_failed", channel_id=str(drain.queue.channel_id))

    def _look(self, drain: Drain) -> None:
        with self._lock:
            drain.look = Look.RUNNING
            drain.looked_at = time.monotonic()
            tickets = [] if self._is_stopping else self._budget.grant(drain.account, MOST_CALLS)
            is_busy = drain.open_calls > 0
        found = claims.NOTHING
        try:
            if not is_busy:
                # This query also serves the wake-ups that arrived while the drain was busy.
                self._give_back_lease(drain)
            if tickets:
                answered(self._task, drain.queue.tenant_id, drain.queue.channel_id)
                take = partial(self._take_lease, drain)
                found = claims.claim_due(drain.queue, len(tickets), take, is_busy=is_busy)
                faultpoint("claim_after_commit")
                found = self._follow_stream(drain, found)
        except SQLAlchemyError as error:
            log.warning("cannot_look_now", error=type(error).__name__)
            found = Claimed(look_again=True, pause=LOOK_AGAIN_SECONDS)
        finally:
            self._looked(drain, found, tickets)

    def _follow_stream(self, drain: Drain, found: Claimed) -> Claimed:
        """In a stream of messages, query again soon, and suppress wake-ups until then."""
        if not found.claims:
            return found
        is_stream = drain.looked_at - drain.claimed_at < STREAM_SECONDS
        drain.claimed_at = drain.looked_at
        if is_stream:
            unneeded(self._task, drain.queue.tenant_id, drain.queue.channel_id)
        return replace(found, look_again=found.look_again or is_stream)

    def _take_lease(self, drain: Drain) -> bool:
        if drain.lease is None:
            queue = drain.queue
            drain.lease = leases.take(name_of(self._task, queue.tenant_id, queue.channel_id))
        return drain.lease is not None

    def _give_back_lease(self, drain: Drain) -> None:
        if drain.lease is not None:
            leases.give_back(drain.lease)
            drain.lease = None

    def _looked(self, drain: Drain, found: Claimed, tickets: list[Ticket]) -> None:
        connection = self._connect(drain, found)
        with self._lock:
            drain.connection = connection or drain.connection
            drain.open_calls += len(found.claims)
            for unused in tickets[len(found.claims) :]:
                self._budget.give_back(unused)
            is_wanted = drain.look is Look.WANTED_AGAIN
            drain.look = Look.IDLE
            drain.has_rest = found.has_rest
            drain.not_before = time.monotonic() + max(found.pause, _gather_seconds(drain, found))
            if is_wanted or found.look_again:
                self._want_look(drain)
            self._admit()
        now = time.monotonic()
        for (claim, delay), ticket in zip(found.claims, tickets, strict=False):
            self._leave(drain, claim, ticket, now + delay, pacing.interval_seconds(found.rate))
        with self._lock:
            self._retire_if_done(drain)

    def _connect(self, drain: Drain, found: Claimed) -> channels.Connection | NotProcessed | None:
        """None means that the connection has not changed."""
        if not found.claims:
            return None
        queue = drain.queue
        try:
            return channels.connection(queue.tenant_id, queue.channel_id, found.updated_at)
        except CannotOpen:
            log.warning("credentials_sealed", channel_id=str(queue.channel_id))
            return SEALED
        except (channels.ChannelGone, SQLAlchemyError) as error:
            log.warning("cannot_connect_channel", error=type(error).__name__)
            return None

    def _retire_if_done(self, drain: Drain) -> None:
        """Forget a drain that has nothing to do now."""
        is_waiting = drain.account.is_waiting and not self._is_stopping
        is_looking = drain.look is Look.RUNNING or (
            drain.look is not Look.IDLE and not self._is_stopping
        )
        if drain.open_calls or is_looking or is_waiting:
            return
        if self._drains.get(drain.queue) is drain:
            del self._drains[drain.queue]
            self._budget.close(drain.account)
            if drain.sent:
                queue = drain.queue
                log.info("drained", channel_id=str(queue.channel_id), sent=drain.sent)
            if drain.lease is not None:
                self._submit(self._give_back_lease, drain)
            self._idle.notify_all()

    def _admit(self) -> None:
        """Let channels that waited for the budget query again."""
        for account in self._budget.admit():
            drain = self._drains.get(account.key)
            if drain is not None:
                self._want_look(drain)

    # Calling

    def _leave(
        self, drain: Drain, claim: Claim, ticket: Ticket, moment: float, interval: float
    ) -> None:
        """Start the call at `moment`, or as soon after it as the gate allows."""
        if moment <= time.monotonic():
            with self._lock:
                moment = drain.gate.pass_at(interval)
        if moment:
            again = partial(self._leave, drain, claim, ticket, moment, interval)
            self._timer.at(moment, again)
            return
        self._timer.at(time.monotonic() + SLOW_SECONDS, partial(self._age, drain, ticket))
        self._callers.submit(self._call, drain, claim, ticket)

    def _age(self, drain: Drain, ticket: Ticket) -> None:
        """Mark the call as slow: other messages of its channel may have become due meanwhile."""
        with self._lock:
            if ticket.is_back:
                return
            self._budget.age(ticket)
            if time.monotonic() - drain.looked_at > LOOK_AGAIN_SECONDS / 2:
                self._want_look(drain)
            self._admit()
        again = partial(self._age, drain, ticket)
        self._timer.at(time.monotonic() + LOOK_AGAIN_SECONDS, again)

    def _call(self, drain: Drain, claim: Claim, ticket: Ticket) -> None:
        started = time.monotonic()
        connection = drain.connection
        outcome: SendOutcome
        if isinstance(connection, NotProcessed):
            outcome = connection
        else:
            outcome = call(drain.queue.tenant_id, connection, claim)
        is_ours = isinstance(outcome, NotProcessed) and outcome.fault is Fault.OURS
        was_made = not (outcome is connection or is_ours or claim.is_test)
        seconds = time.monotonic() - started if was_made else None
        with self._lock:
            self._budget.give_back(ticket, seconds)
            drain.answers.append((claim, outcome))
            self._want_record(drain)
            self._admit()

    # Recording

    def _want_record(self, drain: Drain, pause: float | None = None) -> None:
        if drain.is_recording or not drain.answers:
            return
        drain.is_recording = True
        if pause is None:
            pause = BUSY_GROUP_SECONDS if drain.open_calls > BUSY else GROUP_SECONDS
        self._timer.at(time.monotonic() + pause, partial(self._submit, self._record, drain))

    def _record(self, drain: Drain) -> None:
        with self._lock:
            group, drain.answers = drain.answers, []
        left: list[tuple[Claim, SendOutcome]] = []
        frees_others = True
        try:
            frees_others = outcomes.record(drain.queue.tenant_id, drain.queue.channel_id, group)
            faultpoint("record_after_commit")
        except (OperationalError, InterfaceError, PoolTimeout) as error:
            log.warning("cannot_record_now", error=type(error).__name__, answers=len(group))
            left = [each for each in group if _is_worth_recording(each[0])]
        except Exception:
            log.exception("cannot_record", channel_id=str(drain.queue.channel_id))
            self._record_each(drain, group)
        with self._lock:
            drain.answers = [*left, *drain.answers]
            drain.open_calls -= len(group) - len(left)
            drain.sent += len(group) - len(left)
            drain.is_recording = False
            self._want_record(drain, RECORD_AGAIN_SECONDS if left else None)
            if frees_others or drain.has_rest or not drain.open_calls:
                # The last query also serves the wake-ups that arrived while this drain was busy.
                self._want_look(drain)
            self._retire_if_done(drain)

    def _record_each(self, drain: Drain, group: Sequence[tuple[Claim, SendOutcome]]) -> None:
        """Record the answers one by one, so that one that fails does not stop the others. Its lease
        ends, and then it is settled."""
        for result in group if len(group) > 1 else ():
            try:
                outcomes.record(drain.queue.tenant_id, drain.queue.channel_id, [result])
            except Exception:
                log.exception("cannot_record_answer", message_id=str(result[0].message_id))


def _gather_seconds(drain: Drain, found: Claimed) -> float:
    if not found.claims:
        return 0.0
    return GATHER_SECONDS.get(drain.queue.lowest_priority, USUAL_GATHER_SECONDS)


def _is_worth_recording(claim: Claim) -> bool:
    """Return whether an answer is still of use: once its lease has ended, settling has found the
    outcome."""
    return time.monotonic() - claim.claimed_at < config.current().claim_lease_seconds
