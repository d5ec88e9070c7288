"""The engine: no channel delays another, nothing spins, and trouble stays with its channel."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from sqlalchemy import event, text

from app import db
from app.channels import service as channels
from app.common.ids import new_id
from app.delivery import claims, due, expiry
from app.delivery.claims import Queue
from app.delivery.engine import Engine
from app.extensions import redis_handle
from app.messages import lifecycle
from app.models import AttemptOutcome, Channel, Message, Priority, Status
from app.tasks import names, schedule
from app.tasks.due import FIRST
from tests.delivery.campaigns import queue_texts
from tests.delivery.test_deliver import attempts, creates, end_pause, queue_of
from tests.factories import create_channel, create_conversation, create_message, create_tenant
from tests.simulator.harness import wait_until
from tests.world import World

MANY = 40


def add_channels(world: World, count: int, **settings: Any) -> list[Channel]:
    """Create senders of another business, in one account of the simulator."""
    tenant_id = create_tenant().id
    account, token = f"AC{new_id().hex}", new_id().hex
    numbers = [f"+1416{new_id().int % 10_000_000:07d}" for _ in range(count)]
    senders = [{"number": f"whatsapp:{each}"} for each in numbers]
    world.simulator.control(
        "PUT", f"/accounts/{account}", {"auth_token": token, "senders": senders}
    )
    credentials = {"account_sid": account, "auth_token": token}
    return [
        create_channel(
            tenant_id,
            account=account,
            phone_number=number,
            credentials=credentials,
            **settings,
        )
        for number in numbers
    ]


def text_to(channel: Channel, conversation: Any, *, body: str, **values: Any) -> Message:
    return create_message(
        channel.tenant_id,
        conversation=conversation,
        from_number=channel.phone_number,
        content={"type": "text", "body": body},
        body=body,
        **values,
    )


def counted(channel: Channel, condition: str) -> int:
    """Return how many messages of the channel's tenant match it."""
    with db.tenant_session(channel.tenant_id) as session:
        query = text(f"select count(*) from recado.messages where {condition}")
        return int(session.scalar(query) or 0)


def due_ids(world: World, channel: Channel) -> list[Any]:
    return [row.id for row in claims.due(Queue(world.tenant.id, channel.id), 1000)]


def is_rung(channel: Channel) -> bool:
    """Return whether the scheduler would enqueue a delivery of this channel."""
    (deliver,) = [kind for kind in schedule.DUE if kind.name == "deliver"]
    first = {f"after_{column}": FIRST for column in deliver.key}
    with db.system_session() as session:
        rows = session.execute(deliver.query, {"most": 10_000, **first}).all()
    return any(
        ring[1:] == (channel.tenant_id, channel.id) for row in rows for ring in deliver.rings(row)
    )


def test_slow_channels_hold_up_nobody_else(world: World) -> None:
    slow = add_channels(world, MANY)
    rule = {"fault": "slow", "account": slow[0].account, "seconds": 1.8}
    world.simulator.control("PUT", "/faults", {"create": [rule]})
    for channel in slow:
        queue_texts(channel, 12)
    engine = Engine(names.DELIVER_CHANNEL)
    before = threading.active_count()
    for channel in slow:
        engine.wake(Queue(channel.tenant_id, channel.id))
    wait_until(lambda: threading.active_count() > before + MANY, 20)
    prompt = world.send()
    engine.wake(queue_of(world))
    wait_until(lambda: world.message(prompt).provider_message_id, 20)
    assert counted(slow[0], "status = 'queued'") > 0, "the slow channels were done before"
    assert engine.stop(30)


def test_paced_channels_keep_no_thread_while_they_wait(world: World) -> None:
    paced = add_channels(world, MANY, messages_per_second=1)
    for channel in paced:
        queue_texts(channel, 3)
    engine = Engine(names.DELIVER_CHANNEL)
    before = threading.active_count()
    for channel in paced:
        engine.wake(Queue(channel.tenant_id, channel.id))
    wait_until(lambda: counted(paced[0], "attempts > 0") >= MANY, 30)
    # A call ends after some milliseconds, the next one a second later.
    assert threading.active_count() < before + MANY
    assert engine.stop(30)


def test_in_a_stream_messages_leave_without_a_ring_for_each(world: World) -> None:
    rule = {"fault": "slow", "account": world.channel.account, "seconds": 1.0}
    world.simulator.control("PUT", "/faults", {"create": [rule]})
    engine = Engine(names.DELIVER_CHANNEL)

    def is_claimed(message_id: UUID) -> Callable[[], bool]:
        return lambda: world.message(message_id).attempts > 0

    for person in ("+15550100001", "+15550100002"):
        message_id = world.send(to_number=person)
        engine.wake(queue_of(world))
        wait_until(is_claimed(message_id), 5)
    key = f"ring:{names.DELIVER_CHANNEL}:{world.tenant.id}:{world.channel.id}"
    wait_until(lambda: redis_handle.client.exists(key), 5)
    wait_until(is_claimed(world.send(to_number="+15550100003")), 5)
    assert engine.stop(30)
    wait_until(lambda: not redis_handle.client.exists(key), 5)


def test_an_answer_brings_a_look_only_if_something_may_be_due(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two messages in flight, and nothing else: one query that claims them, and a last one."""
    looks = []
    claim_due = claims.claim_due

    def counted_look(*args: Any, **options: Any) -> claims.Claimed:
        looks.append(args[0])
        return claim_due(*args, **options)

    monkeypatch.setattr(claims, "claim_due", counted_look)
    slow = {"fault": "slow", "to": "+15550100002", "seconds": 0.7}
    world.simulator.control("PUT", "/faults", {"create": [slow]})
    for person in ("+15550100001", "+15550100002"):
        world.send(to_number=person)
    engine = Engine(names.DELIVER_CHANNEL)
    engine.wake(queue_of(world))
    assert engine.wait_until_idle(20)
    assert counted(world.channel, "status = 'queued'") == 0
    assert len(looks) == 2


def test_what_waits_behind_a_message_leaves_once_it_is_answered(world: World) -> None:
    first, second = world.send(body="first"), world.send(body="second")
    engine = Engine(names.DELIVER_CHANNEL)
    engine.wake(queue_of(world))
    assert engine.wait_until_idle(20)
    assert world.message(first).provider_message_id
    assert world.message(second).provider_message_id
    bodies = [call["form"]["Body"] for call in creates(world)]
    assert bodies == ["first", "second"]


def test_messages_of_a_disabled_channel_wait_without_work_and_leave_once_it_is_enabled(
    world: World,
) -> None:
    message_id = world.send()
    assert is_rung(world.channel)
    path = f"/channels/{world.channel.id}"
    assert world.owner.put(path, {"status": "disabled"}).status_code == 200
    assert not is_rung(world.channel)
    assert due_ids(world, world.channel) == []
    world.deliver()
    assert (world.message(message_id).status, creates(world)) == (Status.QUEUED, [])
    assert world.owner.put(path, {"status": "active"}).status_code == 200
    assert is_rung(world.channel)
    world.deliver()
    world.wait_for(message_id, Status.READ)


def test_a_closed_tenant_has_nothing_due(world: World) -> None:
    message_id = world.send()
    world.sql("update recado.tenants set status = 'closed'")
    assert not is_rung(world.channel)
    world.deliver()
    assert (world.message(message_id).status, creates(world)) == (Status.QUEUED, [])


def test_a_channel_that_is_disabled_sends_nothing_more_at_once(world: World) -> None:
    """Its connection is cached for half a minute; the claim reads the row itself."""
    world.send()
    world.deliver()
    assert len(creates(world)) == 1
    world.send(to_number="+15550100301")
    world.sql("update recado.channels set status = 'disabled'")
    world.deliver()
    assert len(creates(world)) == 1


def test_bad_credentials_pause_the_channel_and_use_up_no_attempt(world: World) -> None:
    rule = {"fault": "expired_token", "account": world.channel.account}
    world.simulator.control("PUT", "/faults", {"create": [rule]})
    first = world.send()
    for number in range(2, 6):
        world.send(to_number=f"+1555010030{number}")
    world.deliver()
    tried = len(attempts(world))
    assert tried <= 5
    assert set(attempts(world)) == {AttemptOutcome.PAUSED}
    assert {row.status for row in world.sql("select status from recado.messages")} == {"queued"}
    shown = world.owner.get(f"/channels/{world.channel.id}").json["trouble"]
    assert shown["code"] == "credentials_rejected"
    assert shown["cause"]
    assert shown["remedy"]
    assert shown["paused_until"] > shown["since"]
    assert not is_rung(world.channel)
    for _ in range(30):
        end_pause(world)
        world.deliver()
    assert len(attempts(world)) == tried + 30, "one message tries after each pause"
    assert world.message(first).status == Status.QUEUED
    world.simulator.control("DELETE", "/faults")
    end_pause(world)
    world.deliver()
    assert world.owner.get(f"/channels/{world.channel.id}").json["trouble"] is None
    world.wait_for(first, Status.READ)
    types = [row.type for row in world.sql("select type from recado.events order by id")]
    assert (types.count("channel.paused"), types.count("channel.resumed")) == (1, 1)


def test_pauses_grow_and_a_change_of_the_channel_ends_them(world: World) -> None:
    error = claims.EXPIRED
    seconds = []
    for _ in range(12):
        with db.tenant_session(world.tenant.id) as session:
            channels.pause(session, world.channel.id, error, 0.0)
            channels.pause(session, world.channel.id, error, 0.0)
        (row,) = world.sql("select extract(epoch from paused_until - now()) from recado.channels")
        seconds.append(float(row[0]))
        end_pause(world)
    assert seconds[0] <= 1.3
    assert seconds[5] > 20
    assert max(seconds) <= 300
    assert world.owner.put(f"/channels/{world.channel.id}", {"name": "x"}).json["trouble"] is None


def test_a_message_of_a_channel_that_sends_nothing_fails_when_its_time_is_over(
    world: World,
) -> None:
    over = world.send(valid_until="2027-01-01T00:00:00Z")
    waits = world.send(to_number="+15550100301")
    old = world.send(to_number="+15550100302")
    path = f"/channels/{world.channel.id}"
    world.owner.put(path, {"status": "disabled"})
    world.sql("update recado.messages set valid_until = now() where id = :id", id=over)
    world.sql(
        "update recado.messages set due_at = now() - interval '8 days' where id = :id", id=old
    )
    (kind,) = due.OVER
    with db.system_session() as session:
        given = {f"after_{column}": FIRST for column in kind.key} | {"most": 10_000}
        rows = session.execute(kind.query, {**given, **kind.parameters()}).all()
    assert (world.tenant.id, world.channel.id) in {tuple(row) for row in rows}
    while expiry.expire_some(world.tenant.id, world.channel.id):
        pass
    for each in (over, old):
        message = world.message(each)
        assert message.error is not None
        assert (message.status, message.error["code"]) == (Status.FAILED, "expired")
    assert world.message(waits).status == Status.QUEUED


def test_what_waits_behind_another_is_looked_at_once(world: World) -> None:
    """20,000 messages to one person cost 0.4 s of a core each second when each query read them."""
    conversation = create_conversation(world.tenant.id, channel=world.channel)
    first, *_ = [
        text_to(world.channel, conversation, body=f"number {number}") for number in range(60)
    ]
    in_flight = {"status": Status.SENDING, "id": first.id}
    world.sql("update recado.messages set status = :status where id = :id", **in_flight)
    world.deliver()
    assert due_ids(world, world.channel) == []
    assert not is_rung(world.channel)
    held = world.sql("select count(*) from recado.messages where is_held")
    assert held[0][0] == 59
    assert creates(world) == []


@pytest.mark.parametrize("end", ["accepted", "refused", "canceled", "unknown"])
def test_when_a_message_ends_the_next_of_its_conversation_goes(world: World, end: str) -> None:
    conversation = create_conversation(world.tenant.id, channel=world.channel)
    first, second, third = [
        text_to(world.channel, conversation, body=f"number {number}") for number in range(3)
    ]
    status = {"canceled": Status.QUEUED, "unknown": Status.UNCERTAIN}.get(end, Status.SENDING)
    retry = "2100-01-01T00:00:00Z" if status is Status.QUEUED else None
    world.sql(
        "update recado.messages set status = :status, retry_at = :retry where id = :id",
        status=status,
        retry=retry,
        id=first.id,
    )
    world.deliver()
    assert {world.message(each.id).is_held for each in (second, third)} == {True}
    with db.tenant_session(world.tenant.id) as session:
        message = session.get(Message, (world.tenant.id, first.id), with_for_update=True)
        assert message is not None
        if end == "accepted":
            lifecycle.report(session, message, Status.ACCEPTED)
        elif end == "refused":
            lifecycle.refuse(session, message, claims.EXPIRED)
        elif end == "canceled":
            lifecycle.cancel(session, message)
        else:
            lifecycle.give_up(session, message, claims.EXPIRED)
    assert (world.message(second.id).is_held, world.message(third.id).is_held) == (False, True)


def test_two_engines_keep_the_order_of_a_conversation_and_forget_nothing(world: World) -> None:
    conversations = [create_conversation(world.tenant.id, channel=world.channel) for _ in range(3)]
    for number in range(12):
        for conversation in conversations:
            text_to(world.channel, conversation, body=f"{number:02}")
    engines = [Engine(names.DELIVER_CHANNEL), Engine(names.DELIVER_REPLIES)]
    until = time.monotonic() + 40
    open_ones = "select count(*) from recado.messages where status in ('queued', 'sending')"
    while world.sql(open_ones)[0][0] and time.monotonic() < until:
        for engine in engines:
            engine.wake(queue_of(world))
        time.sleep(0.02)
    assert all(engine.wait_until_idle(20) for engine in engines)
    sent = [each["form"]["Body"] for each in creates(world)]
    assert len(sent) == 36
    for conversation in conversations:
        rows = world.sql(
            "select body from recado.messages m join recado.attempts a on a.message_id = m.id"
            " where m.conversation_id = :id order by a.created_at",
            id=conversation.id,
        )
        assert [row.body for row in rows] == [f"{number:02}" for number in range(12)]


def test_replies_have_a_queue_that_leaves_the_rest_alone(world: World) -> None:
    queue_texts(world.channel, 1, Priority.BULK)
    queue_texts(world.channel, 1, Priority.REPLY)
    engine = Engine(names.DELIVER_REPLIES)
    engine.wake(Queue(world.tenant.id, world.channel.id, Priority.REPLY))
    assert engine.wait_until_idle(10)
    rows = world.sql("select priority, attempts from recado.messages order by priority")
    assert [tuple(row) for row in rows] == [(Priority.REPLY, 1), (Priority.BULK, 0)]


def test_an_answer_that_cannot_be_recorded_at_once_is_recorded_later(world: World) -> None:
    message_id = world.send()
    failures = [2]

    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().startswith("with given as") and failures[0]:
            failures[0] -= 1
            raise psycopg2.OperationalError("the server closed the connection unexpectedly")

    assert db.Database.engine is not None
    event.listen(db.Database.engine, "before_cursor_execute", fail)
    try:
        world.deliver()
    finally:
        event.remove(db.Database.engine, "before_cursor_execute", fail)
    assert failures == [0]
    assert world.message(message_id).provider_message_id == creates(world)[0]["sid"]
    assert attempts(world) == [AttemptOutcome.ACCEPTED]
