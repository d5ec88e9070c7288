"""Receipts applied in groups have the same result as receipts applied one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import text

from app import db
from app.channels.providers.base import Accepted, StatusReceipt
from app.channels.providers.twilio.errors import describe
from app.common import clock
from app.common.ids import new_id
from app.common.phone import parse_address
from app.delivery import claims, outcomes
from app.delivery.pacing import Plan
from app.inbox import apply
from app.messages import attempt_token, receipts, reports
from app.messages.attempt_token import AttemptRef
from app.messages.receipts import ReceivedReceipt
from app.models import Channel, Status, Tenant
from tests.factories import create_channel, create_conversation, create_message
from tests.webhook.twilio_posts import ledger, receipt, tell

MESSAGES = 3
PERSON = "+15551234567"
TEXT: dict[str, Any] = {"content": {"type": "text", "body": "¡Hola!"}, "to_number": PERSON}
NEWS = (Status.ACCEPTED, Status.SENT, Status.FAILED, Status.DELIVERED, Status.READ)
MOMENT = clock.now()

SAME_AS_ALONE = hypothesis_settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass(frozen=True)
class News:
    """A receipt for one of the messages. With `attempt` 0 it has no token."""

    message: int
    status: Status
    attempt: int
    is_known_address: bool
    error: int


NEWS_OF_SOME = st.lists(
    st.builds(
        News,
        message=st.integers(0, MESSAGES - 1),
        status=st.sampled_from(NEWS),
        attempt=st.sampled_from([1, 1, 1, 2, 0]),
        is_known_address=st.sampled_from([True, True, False]),
        error=st.sampled_from([63024, 63018, 63016]),
    ),
    min_size=1,
    max_size=10,
)
STARTS = st.lists(
    st.sampled_from(["queued", "sending", "accepted", "retried"]),
    min_size=MESSAGES,
    max_size=MESSAGES,
)


@dataclass(frozen=True)
class Copy:
    """Some messages of one channel, each followed by another one in its conversation."""

    tenant_id: UUID
    channel_id: UUID
    message_ids: Sequence[UUID]

    @classmethod
    def make(cls, tenant: Tenant, starts: Sequence[str]) -> "Copy":
        channel = create_channel(tenant.id)
        made = cls(tenant.id, channel.id, [])
        ids = []
        for start in starts:
            conversation = create_conversation(tenant.id, channel=channel)
            message = create_message(tenant.id, conversation=conversation, **TEXT)
            is_held = start != "queued"
            create_message(tenant.id, conversation=conversation, is_held=is_held, **TEXT)
            made.bring(message.id, start)
            ids.append(message.id)
        return cls(tenant.id, channel.id, ids)

    def bring(self, message_id: UUID, start: str) -> None:
        """Move a queued message to the state that it has when the receipts arrive."""
        if start == "queued":
            return
        (claim,) = claims.take(self.tenant_id, Plan({message_id: 0.0}, {}))
        if start == "accepted":
            self._accept(claim)
        if start == "retried":
            self._accept(claim)
            self.report_alone(
                [ReceivedReceipt(self.channel_id, self._receipt(message_id, 1, 63018), MOMENT)]
            )
            with db.tenant_session(self.tenant_id) as session:
                session.execute(text("update recado.messages set retry_at = null"))
            claims.take(self.tenant_id, Plan({message_id: 0.0}, {}))

    def _accept(self, claim: claims.Claim) -> None:
        provider_id = self.provider_id(claim.message_id, claim.attempt)
        outcomes.record(self.tenant_id, self.channel_id, [(claim, Accepted(provider_id))])

    def _receipt(self, message_id: UUID, attempt: int, code: int) -> StatusReceipt:
        return StatusReceipt(
            self.provider_id(message_id, attempt),
            Status.FAILED,
            describe(code),
            token=attempt_token.make(self.tenant_id, AttemptRef(message_id, attempt)),
        )

    @staticmethod
    def provider_id(message_id: UUID, attempt: int) -> str:
        return f"SM{message_id.hex}{attempt}"

    def told(self, news: Sequence[News]) -> list[ReceivedReceipt]:
        return [
            ReceivedReceipt(
                self.channel_id, self.as_receipt(each), MOMENT + timedelta(seconds=place)
            )
            for place, each in enumerate(news)
        ]

    def as_receipt(self, news: News) -> StatusReceipt:
        message_id = self.message_ids[news.message]
        ref = AttemptRef(message_id, news.attempt)
        address = PERSON if news.is_known_address else "US.13491208655302741918"
        return StatusReceipt(
            self.provider_id(message_id, news.attempt or 1),
            news.status,
            describe(news.error) if news.status is Status.FAILED else None,
            aliases=(parse_address(address),),
            token=attempt_token.make(self.tenant_id, ref) if news.attempt else "",
        )

    def report_together(self, told: Sequence[ReceivedReceipt]) -> int:
        """Apply them as a group, the rest one by one; return how many the group applied."""
        with db.tenant_session(self.tenant_id) as session:
            done = receipts.apply_group(session, told)
        self.report_alone([each for each, is_done in zip(told, done, strict=True) if not is_done])
        return sum(done)

    def report_alone(self, told: Sequence[ReceivedReceipt]) -> None:
        for each in told:
            with db.tenant_session(self.tenant_id) as session:
                reports.apply_receipt(session, each.channel_id, each.receipt, each.at)

    def outcome(self) -> list[Any]:
        """Return the state of the messages, without the ids, which differ between copies."""
        found = []
        for message_id in self.message_ids:
            with db.tenant_session(self.tenant_id) as session:
                rows = [
                    session.execute(text(query), {"id": message_id}).all()
                    for query in (OF_MESSAGE, OF_ATTEMPTS, OF_EVENTS, OF_THE_ONE_BEHIND)
                ]
            found.append(str(rows).replace(message_id.hex, "…").replace(str(message_id), "…"))
        return found


OF_MESSAGE = """
    select status, attempts, provider_message_id, error, sent_at, delivered_at, read_at, is_held,
        lease_until is null as no_lease, retry_at is null as no_pause
    from recado.messages where id = :id
"""
OF_ATTEMPTS = """
    select number, outcome, provider_message_id, error, finished_at is null as is_open
    from recado.attempts where message_id = :id order by number
"""
OF_EVENTS = "select type, version, data from recado.events where message_id = :id order by id"
OF_THE_ONE_BEHIND = """
    select other.is_held from recado.messages other join recado.messages m
        on m.conversation_id = other.conversation_id and m.id <> other.id where m.id = :id
"""


@SAME_AS_ALONE
@example(
    news=[
        News(0, Status.SENT, attempt=0, is_known_address=True, error=0),
        News(0, Status.SENT, attempt=1, is_known_address=True, error=0),
    ],
    starts=["accepted"] * MESSAGES,
)
@given(news=NEWS_OF_SOME, starts=STARTS)
def test_a_group_does_what_its_receipts_do_one_by_one(
    tenant: Tenant, news: list[News], starts: list[str]
) -> None:
    together, alone = Copy.make(tenant, starts), Copy.make(tenant, starts)
    together.report_together(together.told(news))
    alone.report_alone(alone.told(news))
    assert together.outcome() == alone.outcome()


@pytest.mark.parametrize("start", ["sending", "accepted"])
def test_the_usual_receipts_of_many_messages_are_taken_by_the_group(
    tenant: Tenant, start: str
) -> None:
    copy = Copy.make(tenant, [start] * MESSAGES)
    news = [
        News(number, status, 1, is_known_address=True, error=0)
        for status in (Status.SENT, Status.DELIVERED, Status.READ)
        for number in range(MESSAGES)
    ]
    assert copy.report_together(copy.told(news)) == len(news)


def test_a_group_that_fails_is_applied_one_by_one_and_only_the_bad_item_waits(
    app: Flask, tenant: Tenant
) -> None:
    """One receipt's provider id already belongs to another message, so the whole group fails."""
    channel = create_channel(tenant.id)
    ids = [in_flight(tenant, channel) for _ in range(3)]
    conversation = create_conversation(tenant.id, channel=channel)
    create_message(
        tenant.id, conversation=conversation, status="delivered", provider_message_id="SM1"
    )
    for number, message_id in enumerate(ids):
        token = attempt_token.make(tenant.id, AttemptRef(message_id, 1))
        tell(app, channel, receipt(channel, f"SM{number}", "delivered"), token)
    apply.apply_due(tenant.id)
    assert ledger(tenant.id) == {"applied": 2, "received": 1, "duplicates": 0}


def in_flight(tenant: Tenant, channel: Channel) -> UUID:
    """Return a message whose call is in progress."""
    conversation = create_conversation(tenant.id, channel=channel)
    message = create_message(tenant.id, conversation=conversation, **TEXT)
    assert claims.take(tenant.id, Plan({message.id: 0.0}, {}))
    return message.id


def test_a_group_does_not_wait_for_a_message_that_somebody_else_holds(
    app: Flask, tenant: Tenant
) -> None:
    copy = Copy.make(tenant, ["accepted"] * 2)
    news = [News(each, Status.READ, 1, is_known_address=True, error=0) for each in range(2)]
    with db.tenant_session(tenant.id) as holder:
        query = text("select id from recado.messages where id = :id for update")
        holder.execute(query, {"id": copy.message_ids[0]})
        with db.tenant_session(tenant.id) as session:
            assert receipts.apply_group(session, copy.told(news)) == [False, True]


def test_a_repeat_in_one_group_and_a_stranger_change_nothing(app: Flask, tenant: Tenant) -> None:
    channel = create_channel(tenant.id)
    message_id = in_flight(tenant, channel)
    token = attempt_token.make(tenant.id, AttemptRef(message_id, 1))
    forged = attempt_token.make(new_id(), AttemptRef(message_id, 1))
    tell(app, channel, receipt(channel, "SM1", "read"), token)
    tell(app, channel, receipt(channel, "SM1", "sent"), token)
    tell(app, channel, receipt(channel, "SM2", "delivered"), forged)
    apply.apply_due(tenant.id)
    assert ledger(tenant.id) == {"applied": 2, "ignored": 1, "duplicates": 0}
    with db.tenant_session(tenant.id) as session:
        types = session.scalars(
            text("select type from recado.events where message_id = :id order by id"),
            {"id": message_id},
        ).all()
    assert types == ["message.read"]
