"""Looking for due messages: in order, and at a cost that the length of the queue leaves alone."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from app import db
from app.common import clock
from app.delivery import claims, repository
from app.models import Channel, Conversation, Priority, Status, Tenant
from tests.factories import create_channel, create_conversation, create_message

CAMPAIGN = 3_000
ROOM = 8

FILL = text("""
    with person as (
        insert into recado.contacts (tenant_id, id, name, profile_name, attributes)
        select :tenant_id, gen_random_uuid(), '', '', '{}' from generate_series(1, :count)
        returning tenant_id, id
    ), thread as (
        insert into recado.conversations
            (tenant_id, id, channel_id, contact_id, address, status, owner, message_count)
        select tenant_id, gen_random_uuid(), :channel_id, id, '+15550001111', 'active', 'nobody', 0
        from person returning tenant_id, id, contact_id
    )
    insert into recado.messages
        (tenant_id, id, channel_id, conversation_id, contact_id, direction, status, sender,
         from_number, to_number, type, body, content, policy, priority, is_test, attempts,
         settle_reads, due_at)
    select tenant_id, gen_random_uuid(), :channel_id, id, contact_id, 'outgoing', 'queued', 'api',
           '+15550002222', '+15550001111', 'text', '', '{}', 'default', 2, false, 0, 0, now()
    from thread
""")


def due_ids(channel: Channel, room: int = ROOM) -> list[UUID]:
    return [row.id for row in claims.due(channel.tenant_id, channel.id, room)]


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


def test_a_campaign_that_was_just_queued_does_not_slow_the_look(tenant: Tenant) -> None:
    """Its rows are in no statistics yet: a plan that joined them all would read them all."""
    channel = create_channel(tenant.id)
    with db.tenant_session(tenant.id) as session:
        session.execute(FILL, {"tenant_id": tenant.id, "channel_id": channel.id, "count": CAMPAIGN})
    explained = text(f"explain (analyze, buffers, format json) {repository.DUE.text}")
    with db.tenant_session(tenant.id) as session:
        given = {"channel_id": channel.id, "room": ROOM}
        (plan,) = session.scalar(explained, given)
    assert plan["Plan"]["Actual Rows"] == ROOM
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 20 * ROOM
