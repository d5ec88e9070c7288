"""Two contacts are merged while they send and receive messages: none is lost."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import db
from app.channels.providers.base import ProviderError, Refused
from app.common import clock
from app.common.phone import parse_address
from app.contacts import service
from app.delivery import claims, outcomes
from app.delivery.pacing import Plan
from app.inbox import apply
from app.messages import content
from app.messages.route import Order
from app.messages.send import queue_message
from app.models import Channel, Contact, Conversation, Message, Tenant
from tests.factories import (
    ApiClient,
    create_channel,
    create_contact,
    create_conversation,
    create_message,
)
from tests.locks import until_waiting
from tests.webhook import twilio_posts

PHONE = parse_address("+15551234567")
USER_ID = parse_address("US.13491208655302741918")


class Two:
    """One person whom we know as two contacts, each with a conversation on the first channel."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant_id = tenant.id
        self.first = create_channel(tenant.id, is_default=True)
        self.second = create_channel(tenant.id)
        self.keep: Contact = create_contact(tenant.id, address=PHONE.value)
        self.lose: Contact = create_contact(tenant.id, address=USER_ID.value, kind="user_id")
        self.kept = self._thread(self.keep, PHONE.value)
        self.lost = self._thread(self.lose, USER_ID.value)

    def _thread(self, contact: Contact, address: str) -> Conversation:
        return create_conversation(
            self.tenant_id, channel=self.first, contact=contact, address=address
        )

    def merge(self) -> UUID:
        with db.tenant_session(self.tenant_id) as session:
            return service.find_or_create(session, [PHONE, USER_ID])

    def rows(self, statement: str) -> list[Any]:
        with db.tenant_session(self.tenant_id) as session:
            return list(session.execute(text(statement)))

    def messages(self) -> list[Any]:
        """Return (contact, channel of the conversation) of each message."""
        return [
            tuple(row)
            for row in self.rows(
                "select m.contact_id, c.channel_id from recado.messages m"
                " join recado.conversations c on c.id = m.conversation_id"
                " and c.contact_id = m.contact_id and c.channel_id = m.channel_id order by m.id"
            )
        ]


@pytest.fixture
def two(tenant: Tenant) -> Two:
    return Two(tenant)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as opened:
        yield opened


def send(client: ApiClient, channel: Channel, **changes: Any) -> Any:
    body = {"to_number": USER_ID.value, "from_number": channel.phone_number, "body": "x"}
    return client.post("/api/send", {**body, **changes})


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_merge_keeps_the_message_that_a_send_has_just_queued(
    two: Two, pool: ThreadPoolExecutor, which: str
) -> None:
    channel: Channel = getattr(two, which)
    order = Order(content=content.text("x"), to=USER_ID, from_number=channel.phone_number)
    with db.tenant_session(two.tenant_id) as session:
        queue_message(session, order)
        merged: Future[UUID] = pool.submit(two.merge)
        until_waiting()
    assert merged.result() == two.keep.id
    assert two.messages() == [(two.keep.id, channel.id)]


@pytest.mark.parametrize("which", ["first", "second"])
def test_a_send_that_meets_a_merge_goes_to_the_contact_that_stays(
    two: Two, signed_in: ApiClient, pool: ThreadPoolExecutor, which: str
) -> None:
    channel: Channel = getattr(two, which)
    with db.tenant_session(two.tenant_id) as session:
        service.find_or_create(session, [PHONE, USER_ID])
        sent = pool.submit(send, signed_in, channel)
        until_waiting()
    assert sent.result().status_code == 202, sent.result().json
    assert two.messages() == [(two.keep.id, channel.id)]


def test_a_send_that_meets_a_merge_knows_the_window_that_comes_of_it(
    two: Two, signed_in: ApiClient, pool: ThreadPoolExecutor
) -> None:
    with db.tenant_session(two.tenant_id) as session:
        heard = text("update recado.conversations set last_inbound_at = :at where id = :id")
        now = clock.now()
        session.execute(heard, {"at": now - timedelta(days=3), "id": two.kept.id})
        session.execute(heard, {"at": now, "id": two.lost.id})
    with db.tenant_session(two.tenant_id) as session:
        service.find_or_create(session, [PHONE, USER_ID])
        sent = pool.submit(send, signed_in, two.first, to_number=PHONE.value)
        until_waiting()
    assert sent.result().status_code == 202, sent.result().json


@pytest.mark.parametrize("which", ["first", "second"])
def test_what_a_customer_writes_during_a_merge_is_stored_at_the_first_try(
    app: Flask, two: Two, pool: ThreadPoolExecutor, which: str
) -> None:
    channel: Channel = getattr(two, which)
    form = twilio_posts.inbound(channel, WaId="", From=f"whatsapp:{USER_ID.value}")
    assert twilio_posts.tell(app, channel, form).status_code == 200
    with db.tenant_session(two.tenant_id) as session:
        service.find_or_create(session, [PHONE, USER_ID])
        applied = pool.submit(apply.apply_due, two.tenant_id)
        until_waiting()
    assert applied.result() == 1
    assert two.messages() == [(two.keep.id, channel.id)]
    (item,) = two.rows("select state, tries from recado.inbox_items")
    assert (item.state, item.tries) == ("applied", 1)


def test_two_opposite_merges_at_once_leave_one_contact(two: Two, pool: ThreadPoolExecutor) -> None:
    def merge(*addresses: Any) -> UUID:
        with db.tenant_session(two.tenant_id) as session:
            return service.find_or_create(session, addresses)

    with db.tenant_session(two.tenant_id) as session:
        session.execute(text("select id from recado.contacts order by id for update"))
        merged = [pool.submit(merge, PHONE, USER_ID), pool.submit(merge, USER_ID, PHONE)]
        until_waiting(2)
    found = {each.result() for each in merged}
    assert found == {row.id for row in two.rows("select id from recado.contacts")}
    assert len(found) == 1
    assert len(two.rows("select id from recado.contact_aliases")) == 2
    assert len(two.rows("select id from recado.conversations")) == 1


@pytest.mark.parametrize("which", ["kept", "lost"])
def test_an_answer_into_a_thread_that_is_being_merged_arrives_or_is_told_that_it_is_gone(
    two: Two, signed_in: ApiClient, pool: ThreadPoolExecutor, which: str
) -> None:
    thread: Conversation = getattr(two, which)
    body = {"conversation_id": str(thread.id), "body": "x"}
    with db.tenant_session(two.tenant_id) as session:
        service.find_or_create(session, [PHONE, USER_ID])
        sent = pool.submit(signed_in.post, "/api/send", body)
        until_waiting()
    answer = sent.result()
    if which == "kept":
        assert answer.status_code == 202, answer.json
        assert two.messages() == [(two.keep.id, two.first.id)]
    else:
        assert (answer.status_code, answer.json["code"]) == (404, "conversation_not_found")


def test_closing_a_thread_that_is_being_merged_is_told_that_it_is_gone(
    two: Two, signed_in: ApiClient, pool: ThreadPoolExecutor
) -> None:
    with db.tenant_session(two.tenant_id) as session:
        service.find_or_create(session, [PHONE, USER_ID])
        path = f"/api/whatsapp/conversations/{two.lost.id}/close"
        closed = pool.submit(signed_in.post, path)
        until_waiting()
    assert (closed.result().status_code, closed.result().json["code"]) == (
        404,
        "conversation_not_found",
    )


def hold_first(two: Two, session: Session) -> None:
    """Make a merge wait between the conversations, which it locks first, and their messages."""
    older = create_message(two.tenant_id, conversation=two.lost, status="queued")
    session.execute(text("select from recado.messages where id = :id for update"), {"id": older.id})


def state_of(two: Two, message: Message) -> tuple[str, UUID]:
    where = f"id = '{message.id}'"
    (row,) = two.rows(f"select status, contact_id from recado.messages where {where}")
    return row.status, row.contact_id


def test_a_receipt_that_shuts_the_window_during_a_merge_is_applied_at_the_first_try(
    app: Flask, two: Two, pool: ThreadPoolExecutor
) -> None:
    with db.tenant_session(two.tenant_id) as session:
        hold_first(two, session)
        message = create_message(
            two.tenant_id, conversation=two.lost, status="sent", provider_message_id="SM7"
        )
        form = twilio_posts.receipt(two.first, "SM7", "failed", ErrorCode="63016")
        assert twilio_posts.tell(app, two.first, form).status_code == 204
        merged = pool.submit(two.merge)
        until_waiting()
        applied = pool.submit(apply.apply_due, two.tenant_id)
        until_waiting(2)
    assert (merged.result(), applied.result()) == (two.keep.id, 1)
    (item,) = two.rows("select state, tries from recado.inbox_items")
    assert (item.state, item.tries) == ("applied", 1)
    assert state_of(two, message) == ("failed", two.keep.id)


def test_a_refusal_that_shuts_the_window_during_a_merge_is_recorded(
    two: Two, pool: ThreadPoolExecutor
) -> None:
    shut = ProviderError("outside_window", "cause", "remedy", closes_window=True)
    with db.tenant_session(two.tenant_id) as session:
        hold_first(two, session)
        text_message = content.text("x")
        message = create_message(two.tenant_id, conversation=two.lost, content=text_message)
        plan = Plan(delays={message.id: 0.0}, waits={})
        (claim,) = claims.take(two.tenant_id, plan)
        merged = pool.submit(two.merge)
        until_waiting()
        results = [(claim, Refused(shut))]
        recorded = pool.submit(outcomes.record, two.tenant_id, two.first.id, results)
        until_waiting(2)
    recorded.result()
    assert merged.result() == two.keep.id
    assert state_of(two, message) == ("failed", two.keep.id)


def test_a_receipt_that_tells_an_address_does_not_wait_for_a_merge(
    app: Flask, two: Two, pool: ThreadPoolExecutor
) -> None:
    message = create_message(
        two.tenant_id, conversation=two.lost, status="accepted", provider_message_id="SM7"
    )
    form = twilio_posts.receipt(two.first, "SM7", "delivered", ExternalUserId="US.77")
    assert twilio_posts.tell(app, two.first, form).status_code == 204
    with db.tenant_session(two.tenant_id) as session:
        session.execute(text("select from recado.contacts for update"))
        assert pool.submit(apply.apply_due, two.tenant_id).result(timeout=5) == 1
    assert state_of(two, message) == ("delivered", two.lose.id)
