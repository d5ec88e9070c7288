"""Queries for due messages: in order, and at a cost that does not depend on the length of the
queue."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app import db
from app.common import clock
from app.delivery import claims, repository
from app.delivery.claims import Queue
from app.models import Channel, Conversation, Priority, Status, Tenant
from tests.delivery.campaigns import queue_texts
from tests.factories import create_channel, create_conversation, create_message

CAMPAIGN = 3_000
ROOM = 8


def due_ids(channel: Channel, room: int = ROOM) -> list[UUID]:
    return [
        row.id
        for row in claims.due(Queue(channel.tenant_id, channel.id), room)
        if not row.is_blocked
    ]


def queued(conversation: Conversation, **values: Any) -> UUID:
    return create_message(conversation.tenant_id, conversation=conversation, **values).id


def test_replies_go_before_notices_before_bulk_then_the_oldest_first(tenant: Tenant) -> None:
    channel = create_channel(tenant.id)
    threads = [create_conversation(tenant.id, channel=channel) for _ in range(4)]
    now = clock.now()
    bulk = queued(threads[0], priority=Priority.BULK, due_at=now - timedelta(hours=2))
    notice = queued(threads[1], priority=Priority.NOTICE, due_at=now - timedelta(hours=1))
    newer = queued(threads[2], priority=Priority.REPLY, due_at=now - timedelta(seconds=1))
    older = queued(threads[3], priority=Priority.REPLY, due_at=now - timedelta(seconds=2))
    assert due_ids(channel) == [older, newer, notice, bulk]
    assert due_ids(channel, room=1) == [older]


def test_of_a_conversation_only_the_first_goes_and_none_beside_one_in_flight(
    tenant: Tenant,
) -> None:
    channel = create_channel(tenant.id)
    thread = create_conversation(tenant.id, channel=channel)
    now = clock.now()
    second = queued(thread, due_at=now - timedelta(seconds=1))
    first = queued(thread, due_at=now - timedelta(seconds=2))
    queued(thread, due_at=now + timedelta(hours=1))
    assert due_ids(channel) == [first]
    with db.tenant_session(tenant.id) as session:
        session.execute(
            text("update recado.messages set status = :status where id = :id"),
            {"status": Status.UNCERTAIN, "id": first},
        )
    assert second not in due_ids(channel)


def test_a_held_reply_does_not_block_the_notice_that_it_waits_for(tenant: Tenant) -> None:
    """It was held while the notice was in flight. Otherwise each would wait for the other
    forever."""
    channel = create_channel(tenant.id)
    thread = create_conversation(tenant.id, channel=channel)
    now = clock.now()
    notice = queued(thread, due_at=now - timedelta(seconds=2))
    queued(thread, priority=Priority.REPLY, is_held=True, due_at=now - timedelta(seconds=1))
    assert due_ids(channel) == [notice]


def test_a_campaign_that_was_just_queued_does_not_slow_the_look(tenant: Tenant) -> None:
    """Its rows are in no statistics yet: a plan that joined them all would read them all."""
    channel = create_channel(tenant.id)
    queue_texts(channel, CAMPAIGN)
    explained = text(f"explain (analyze, buffers, format json) {repository.DUE.text}")
    with db.tenant_session(tenant.id) as session:
        given = {"channel_id": channel.id, "lowest_priority": Priority.BULK, "most": ROOM}
        session.execute(text(db.IN_INDEX_ORDER))
        (plan,) = session.scalar(explained, given)
    assert plan["Plan"]["Actual Rows"] == ROOM
    blocks = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
    assert blocks < 20 * ROOM, json.dumps(plan, indent=1)
