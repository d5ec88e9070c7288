"""Receipts for a throttled message: it is queued again, and still gets one final state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app import db
from app.channels.providers.base import Accepted, ProviderError, StatusReceipt
from app.channels.providers.twilio.errors import describe
from app.common import clock
from app.common.ids import new_id
from app.delivery import claims, outcomes
from app.delivery.claims import Claim
from app.delivery.pacing import Plan
from app.extensions import redis_handle
from app.messages import attempt_token, reports, repository
from app.messages.attempt_token import AttemptRef
from app.models import AttemptOutcome, Message, Status, Tenant
from tests.factories import create_channel, create_conversation, create_message
from tests.simulator.harness import wait_until
from tests.world import World

THROTTLED = describe(63018)
REPORTS = (Status.ACCEPTED, Status.SENT, Status.FAILED, Status.DELIVERED, Status.READ)
TOO_FAST = "+15550063018"
"""The simulator's number whose messages are sent, and then undelivered with 63018."""

ONE_FINAL_STATE = hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass
class Sent:
    """A message in its own conversation, with helpers to send it and to report receipts."""

    tenant_id: UUID
    channel_id: UUID
    message_id: UUID
    prefix: str

    @classmethod
    def queued(cls, tenant: Tenant, **values: object) -> "Sent":
        channel = create_channel(tenant.id)
        conversation = create_conversation(tenant.id, channel=channel)
        content = {"type": "text", "body": "¡Hola!"}
        message = create_message(tenant.id, conversation=conversation, content=content, **values)
        return cls(tenant.id, channel.id, message.id, f"SM{new_id().hex}")

    @property
    def message(self) -> Message:
        with db.tenant_session(self.tenant_id) as session:
            found = repository.get(session, self.tenant_id, self.message_id)
            assert found is not None
            return found

    def claim(self) -> Claim | None:
        """Claim the message as if its pause were over; None when there is nothing to claim."""
        taken = claims.take(self.tenant_id, Plan({self.message_id: 0.0}, {}))
        return taken[0] if taken else None

    def answer(self, claim: Claim) -> None:
        """Record that the provider accepted this attempt."""
        accepted = Accepted(self.id_of(claim.attempt))
        outcomes.record(self.tenant_id, self.channel_id, [(claim, accepted)])

    def send(self) -> Claim | None:
        claim = self.claim()
        if claim is not None:
            self.answer(claim)
        return claim

    def id_of(self, attempt: int) -> str:
        return f"{self.prefix}{attempt}"

    def report(
        self,
        status: Status,
        attempt: int = 1,
        error: ProviderError = THROTTLED,
        *,
        is_signed: bool = True,
    ) -> str | None:
        """Apply a receipt for one attempt; with `is_signed` it has the attempt's token."""
        token = attempt_token.make(self.tenant_id, AttemptRef(self.message_id, attempt))
        receipt = StatusReceipt(
            self.id_of(attempt),
            status,
            error if status is Status.FAILED else None,
            token=token if is_signed else "",
        )
        with db.tenant_session(self.tenant_id) as session:
            return reports.apply_receipt(session, self.channel_id, receipt, clock.now())

    def attempts(self) -> list[tuple[str, str | None]]:
        with db.tenant_session(self.tenant_id) as session:
            rows = repository.attempts_of(session, self.message_id)
            return [(row.outcome, row.provider_message_id) for row in rows]


@pytest.mark.parametrize("is_signed", [True, False])
@pytest.mark.parametrize("before", [(), (Status.SENT,)])
def test_a_throttled_message_is_queued_again_after_a_pause(
    tenant: Tenant, before: Sequence[Status], is_signed: bool
) -> None:
    sent = Sent.queued(tenant)
    sent.send()
    for status in before:
        sent.report(status)
    assert sent.report(Status.FAILED, is_signed=is_signed) is None
    message = sent.message
    assert (message.status, message.provider_message_id, message.sent_at) == ("queued", None, None)
    assert message.retry_at is not None
    assert timedelta(seconds=25) < message.retry_at - clock.now() < timedelta(seconds=31)
    assert message.error is not None
    assert message.error["code"] == "rate_limited"
    assert sent.attempts() == [(AttemptOutcome.RETRY, sent.id_of(1))]


def test_the_next_attempt_gets_an_id_of_its_own(tenant: Tenant) -> None:
    sent = Sent.queued(tenant)
    sent.send()
    sent.report(Status.FAILED)
    sent.send()
    assert (sent.message.status, sent.message.provider_message_id) == ("accepted", sent.id_of(2))
    assert sent.report(Status.SENT) is not None
    assert sent.message.status == "accepted"
    sent.report(Status.DELIVERED, 2)
    assert sent.message.status == "delivered"


def test_a_report_that_is_faster_than_the_answer_is_not_forgotten(tenant: Tenant) -> None:
    sent = Sent.queued(tenant)
    claim = sent.claim()
    assert claim is not None
    sent.report(Status.FAILED)
    sent.answer(claim)
    assert (sent.message.status, sent.message.provider_message_id) == ("queued", None)
    assert sent.attempts() == [(AttemptOutcome.RETRY, sent.id_of(1))]


def test_a_late_delivery_of_the_earlier_attempt_still_wins(tenant: Tenant) -> None:
    sent = Sent.queued(tenant)
    sent.send()
    sent.report(Status.FAILED)
    sent.report(Status.DELIVERED, is_signed=False)
    assert (sent.message.status, sent.message.provider_message_id) == ("delivered", sent.id_of(1))
    assert sent.claim() is None


def test_other_failures_are_final(tenant: Tenant) -> None:
    sent = Sent.queued(tenant)
    sent.send()
    sent.report(Status.FAILED, error=describe(63024))
    assert sent.message.status == "failed"


def test_a_message_that_is_sent_at_most_once_fails(tenant: Tenant) -> None:
    sent = Sent.queued(tenant, policy="at_most_once")
    sent.send()
    sent.report(Status.FAILED)
    assert sent.message.status == "failed"


def test_throttling_ends_with_the_message_s_time(tenant: Tenant) -> None:
    sent = Sent.queued(tenant, valid_until=clock.now() + timedelta(seconds=10))
    sent.send()
    sent.report(Status.FAILED)
    assert sent.message.retry_at == sent.message.valid_until
    late = Sent.queued(tenant, valid_until=clock.now() + timedelta(seconds=1))
    late.send()
    with db.tenant_session(tenant.id) as session:
        held = repository.lock(session, tenant.id, late.message_id)
        assert held is not None
        held.valid_until = clock.now()
    late.report(Status.FAILED)
    assert late.message.status == "failed"


def test_throttling_ends_after_so_many_sends(tenant: Tenant) -> None:
    sent = Sent.queued(tenant)
    pauses = []
    for attempt in range(1, 30):
        if sent.send() is None:
            break
        sent.report(Status.FAILED, attempt)
        retry_at = sent.message.retry_at
        pauses.append(round((retry_at - clock.now()).total_seconds(), -1) if retry_at else None)
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, None]
    assert sent.message.status == "failed"


def test_a_throttled_attempt_is_no_ambiguous_end(tenant: Tenant) -> None:
    sent = Sent.queued(tenant)
    sent.send()
    sent.report(Status.FAILED)
    assert AttemptOutcome.UNCERTAIN not in dict(sent.attempts())


@ONE_FINAL_STATE
@given(
    told=st.lists(st.sampled_from(REPORTS), min_size=1, max_size=6),
    is_answered=st.booleans(),
    data=st.data(),
)
def test_every_order_of_an_attempt_s_reports_ends_the_same(
    tenant: Tenant, told: list[Status], is_answered: bool, data: st.DataObject
) -> None:
    sent = Sent.queued(tenant)
    claim = sent.claim()
    assert claim is not None
    order = data.draw(st.permutations(told + told))
    at = data.draw(st.integers(0, len(order)))
    for status in order[:at]:
        sent.report(status)
    if is_answered:
        sent.answer(claim)
    for status in order[at:]:
        sent.report(status)
    proofs = [each for each in (Status.READ, Status.DELIVERED) if each in told]
    last = max(told, key=REPORTS.index)
    assert sent.message.status == (
        proofs[0] if proofs else Status.QUEUED if Status.FAILED in told else last
    )


@ONE_FINAL_STATE
@given(
    steps=st.lists(
        st.one_of(st.just(None), st.tuples(st.integers(1, 3), st.sampled_from(REPORTS))),
        max_size=14,
    )
)
def test_after_a_proof_of_delivery_it_is_never_sent_again(
    tenant: Tenant, steps: list[tuple[int, Status] | None]
) -> None:
    """Each step is a worker that tries to send (None), or a receipt for one attempt."""
    sent = Sent.queued(tenant)
    made, is_proven = 0, False
    for step in steps:
        if step is None:
            made += sent.send() is not None
            continue
        attempt, status = step
        if attempt > made:
            continue
        sent.report(status, attempt)
        is_proven |= status in reports.PROOF
        assert not is_proven or sent.message.status in reports.PROOF
        assert not is_proven or sent.claim() is None
    bound = [each for _, each in sent.attempts() if each is not None]
    assert len(bound) == len(set(bound))


def test_throttling_that_is_told_by_callback_slows_the_channel(world: World) -> None:
    message_id = world.send(to_number=TOO_FAST)
    world.deliver()
    assert redis_handle.client.get(f"slow:{world.channel.id}") is None
    message = world.wait_for(message_id, Status.QUEUED)
    assert message.retry_at is not None
    assert redis_handle.client.get(f"slow:{world.channel.id}") == "2"


def test_throttling_that_the_list_tells_slows_the_channel(world: World) -> None:
    rule = {"fault": "accept_then_500", "account": world.channel.account}
    lost = {"fault": "lost", "account": world.channel.account}
    world.simulator.control("PUT", "/faults", {"create": [rule], "callback": [lost]})
    message_id = world.send(to_number=TOO_FAST)
    world.deliver()
    listed = "/messages?to=whatsapp:%2B15550063018&status=undelivered"
    wait_until(lambda: world.simulator.control("GET", listed)["messages"])
    world.settle()
    message = world.message(message_id)
    assert (message.status, message.provider_message_id) == (Status.QUEUED, None)
    assert redis_handle.client.get(f"slow:{world.channel.id}") == "2"
