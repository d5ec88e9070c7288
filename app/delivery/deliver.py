"""Journey 1, second half: the drain of one channel.

Claim due messages, write an attempt for each, commit, call the provider with no transaction open,
record what it said, a group at a time; go on while there is work and the time slice lasts.
Correct with any number of drains at once and with any of them killed anywhere: the claim is a row,
its lease runs by the database's clock, and an attempt is written before the call it describes.
"""

import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from sqlalchemy import Row

from app import config
from app.channels import service as channels
from app.channels.providers.base import (
    Accepted,
    NotProcessed,
    OutgoingMessage,
    ProviderError,
    SendOutcome,
    Uncertain,
)
from app.common.faultpoint import faultpoint
from app.common.ids import new_id
from app.common.phone import parse_address
from app.delivery import claims, outcomes, pacing
from app.delivery.claims import Claim
from app.messages import callback
from app.messages.callback import AttemptRef
from app.tasks.drain import stopping

log = structlog.get_logger(__name__)

CONCURRENCY = 32
"""Calls at once for one channel: 80 messages a second as long as each takes under 0.4 s."""

SLICE_SECONDS = 30.0
"""Then the worker looks after others first. At its end a drain waits for the answers under way and
claims nothing, so a short slice would cost a part of the channel's pace."""

GROUP_SECONDS = 0.01
BUSY_GROUP_SECONDS = 0.1
"""A moment for other answers to arrive, so that one transaction records them all: longer while
many are under way, for then the cost of a transaction is what limits the pace."""

BUSY = 8

LOOK_AGAIN_SECONDS = 0.5
"""While a slow provider keeps all its answers back, others may have become due."""

STARVED_SECONDS = 0.05
SENT_WITHIN = 1 / 3
"""Of its lease: an older claim is not sent any more (the worker was frozen), for the lease might
run out while the provider still works on it."""


@dataclass
class Drain:
    """One run over one channel."""

    tenant_id: UUID
    channel_id: UUID
    connection: channels.Connection
    gate: pacing.Gate
    in_flight: dict[Future[SendOutcome], Claim] = field(default_factory=dict)
    sent: int = 0


def drain_channel(tenant_id: UUID, channel_id: UUID) -> bool:
    """Send what is due on this channel; True when the time slice ended before the work did."""
    try:
        connection = channels.connection(tenant_id, channel_id)
    except channels.ChannelGone:
        return False
    gate = pacing.Gate(pacing.interval_seconds(connection.messages_per_second))
    drain = Drain(tenant_id, channel_id, connection, gate)
    until = time.monotonic() + SLICE_SECONDS
    with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix="send") as pool:
        while _turn(drain, pool, until):
            pass
    if drain.sent:
        log.info("drained", tenant_id=str(tenant_id), channel_id=str(channel_id), sent=drain.sent)
    return time.monotonic() >= until


def has_due(tenant_id: UUID, channel_id: UUID) -> bool:
    return bool(claims.due(tenant_id, channel_id, 1))


def _turn(drain: Drain, pool: ThreadPoolExecutor, until: float) -> bool:
    """Fill up, wait for some answers, record them; False when nothing is left to do here."""
    room = CONCURRENCY - len(drain.in_flight)
    may_claim = room > 0 and time.monotonic() < until and not stopping.is_set()
    due = claims.due(drain.tenant_id, drain.channel_id, room) if may_claim else []
    for claim, delay in _take(drain, due):
        drain.in_flight[pool.submit(_call, drain, claim, delay)] = claim
    if drain.in_flight:
        _record(drain)
        return True
    if due:
        time.sleep(STARVED_SECONDS)
    return bool(due)


def _record(drain: Drain) -> None:
    """Wait a little for the next answer and record it, with those that came meanwhile."""
    answered, _ = wait(drain.in_flight, LOOK_AGAIN_SECONDS, FIRST_COMPLETED)
    if not answered:
        return
    time.sleep(BUSY_GROUP_SECONDS if len(drain.in_flight) > BUSY else GROUP_SECONDS)
    done = [future for future in drain.in_flight if future.done()]
    results = [(drain.in_flight.pop(future), future.result()) for future in done]
    outcomes.record(drain.tenant_id, drain.channel_id, results)
    faultpoint("record_after_commit")
    drain.sent += len(results)


def _take(drain: Drain, due: Sequence[Row[tuple[UUID, UUID]]]) -> list[tuple[Claim, float]]:
    """Claim those that the pace lets go now, each with its delay in seconds."""
    if not due:
        return []
    plan = pacing.plan(drain.channel_id, drain.connection.messages_per_second, due)
    taken = claims.take(drain.tenant_id, plan)
    faultpoint("claim_after_commit")
    return [(claim, plan.delays[claim.message_id]) for claim in taken]


def _call(drain: Drain, claim: Claim, delay: float) -> SendOutcome:
    """Ask the provider to send one message. Runs in a thread, with no transaction open."""
    time.sleep(delay)
    faultpoint("before_provider_call")
    if claim.is_test:
        return Accepted(f"TEST{new_id().hex}")
    if time.monotonic() - claim.claimed_at > SENT_WITHIN * config.current().claim_lease_seconds:
        return NotProcessed(STALE_CLAIM)
    query = callback.query_for(drain.tenant_id, AttemptRef(claim.message_id, claim.attempt))
    message = OutgoingMessage(
        from_number=claim.from_number,
        to=parse_address(claim.to_number),
        content=claim.content,
        status_callback=f"{drain.connection.webhook_url}?{query}",
    )
    drain.gate.wait()
    try:
        outcome = drain.connection.client.send(message)
    except Exception as error:
        # A defect in an adapter says nothing of whether the request went out.
        log.exception("send_broke", message_id=str(claim.message_id))
        outcome = Uncertain(
            ProviderError("internal_error", type(error).__name__, "Report this to the operator.")
        )
    if isinstance(outcome, Accepted):
        faultpoint("after_provider_accept")
    return outcome


STALE_CLAIM = ProviderError(
    code="stale_claim",
    cause="The worker was held up before it could send.",
    remedy="Nothing to do: the message goes out with the next claim.",
)
