"""Delivery against the simulator: each outcome of a send, and what it leaves in the database."""

from typing import Any

import pytest

from app.delivery import claims
from app.delivery.claims import Queue
from app.delivery.engine import Engine
from app.delivery.pacing import Plan
from app.models import AttemptOutcome, Status
from app.tasks import names
from tests.factories import ApiClient, create_api_key
from tests.simulator.harness import wait_until
from tests.world import World, settings_changed


def creates(world: World) -> list[dict[str, Any]]:
    """Return what the provider processed of this business, by its own log."""
    sender = f"whatsapp:{world.channel.phone_number}"
    return [
        each
        for each in world.simulator.log("create")
        if each["form"].get("From") == sender and each["processed"]
    ]


def queue_of(world: World) -> Queue:
    return Queue(world.tenant.id, world.channel.id)


def end_pause(world: World) -> None:
    """Let the pause of the channel be over."""
    world.sql("update recado.channels set paused_until = now()")


def attempts(world: World) -> list[str]:
    rows = world.sql("select outcome from recado.attempts order by message_id, number")
    return [row.outcome for row in rows]


def test_a_message_is_accepted_delivered_and_read(world: World) -> None:
    message_id = world.send(body="¡Hola desde la API! 🎉")
    world.deliver()
    message = world.message(message_id)
    assert message.status in {Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ}
    assert message.provider_message_id is not None
    read = world.wait_for(message_id, Status.READ)
    assert read.sent_at
    assert read.delivered_at
    assert read.read_at
    assert [each["form"]["Body"] for each in creates(world)] == ["¡Hola desde la API! 🎉"]


def test_a_refusal_is_final_and_says_what_to_do(world: World) -> None:
    message_id = world.send(to_number="+15550021610")
    world.deliver()
    message = world.message(message_id)
    assert message.status == Status.FAILED
    assert message.error is not None
    assert message.error["provider_code"] == "21610"
    assert message.error["cause"]
    assert message.error["remedy"]
    assert attempts(world) == [AttemptOutcome.REFUSED]


def test_a_channel_whose_credentials_cannot_be_opened_pauses_and_goes_on_later(
    world: World,
) -> None:
    """For example after a restart without the key: its drain neither hangs forever nor spins."""
    (credentials,) = world.sql("select credentials from recado.channels")[0]
    world.sql("update recado.channels set credentials = 'no key opens this', updated_at = now()")
    message_id = world.send()
    world.deliver()
    message = world.message(message_id)
    assert (message.status, len(attempts(world))) == (Status.QUEUED, 1)
    (trouble,) = world.sql("select trouble from recado.channels")[0]
    assert trouble["code"] == "credentials_sealed"
    world.sql(
        "update recado.channels set credentials = :credentials, updated_at = now()",
        credentials=bytes(credentials),
    )
    end_pause(world)
    world.deliver()
    assert world.message(message_id).provider_message_id is not None


def test_429_is_sent_again_later_and_arrives_once(world: World) -> None:
    plan = {"create": [{"fault": "throttle", "next": 1, "account": world.channel.account}]}
    world.simulator.control("PUT", "/faults", plan)
    message_id = world.send()
    world.deliver()
    assert world.message(message_id).status == Status.QUEUED
    end_pause(world)
    world.deliver()
    assert world.message(message_id).provider_message_id is not None
    assert len(creates(world)) == 1
    assert attempts(world) == [AttemptOutcome.PAUSED, AttemptOutcome.ACCEPTED]


@pytest.mark.parametrize(
    "fault", ["accept_then_500", "accept_then_reset", "accept_then_hang", "fail_500"]
)
def test_what_nobody_can_say_is_never_sent_blindly_again(world: World, fault: str) -> None:
    rule = {"fault": fault, "next": 1, "account": world.channel.account, "seconds": 4}
    callbacks = {"fault": "lost", "rate": 1, "account": world.channel.account}
    world.simulator.control("PUT", "/faults", {"create": [rule], "callback": [callbacks]})
    message_id = world.send()
    world.deliver()
    world.deliver()
    assert world.message(message_id).status == Status.UNCERTAIN
    assert attempts(world) == [AttemptOutcome.UNCERTAIN]


def test_a_receipt_settles_what_was_uncertain(world: World) -> None:
    rule = {"fault": "accept_then_500", "next": 1, "account": world.channel.account}
    world.simulator.control("PUT", "/faults", {"create": [rule]})
    message_id = world.send()
    world.deliver()
    message = world.wait_for(message_id, Status.READ)
    assert message.provider_message_id == creates(world)[0]["sid"]
    assert len(creates(world)) == 1


def test_the_providers_list_settles_what_no_receipt_did(world: World) -> None:
    rule = {"fault": "accept_then_reset", "next": 1, "account": world.channel.account}
    callbacks = {"fault": "lost", "rate": 1, "account": world.channel.account}
    world.simulator.control("PUT", "/faults", {"create": [rule], "callback": [callbacks]})
    message_id = world.send()
    world.deliver()
    world.settle()
    message = world.message(message_id)
    assert message.status in {Status.ACCEPTED, Status.SENT, Status.DELIVERED, Status.READ}
    assert message.provider_message_id == creates(world)[0]["sid"]


def test_two_empty_lists_send_it_again(world: World) -> None:
    rule = {"fault": "fail_500", "next": 1, "account": world.channel.account}
    world.simulator.control("PUT", "/faults", {"create": [rule]})
    message_id = world.send()
    world.deliver()
    world.settle()
    assert world.message(message_id).status == Status.UNCERTAIN
    world.settle()
    assert world.message(message_id).status == Status.QUEUED
    world.sql("update recado.messages set retry_at = now()")
    world.deliver()
    world.wait_for(message_id, Status.READ)
    assert len(creates(world)) == 1


def test_at_most_once_ends_unknown_and_a_person_settles_it(world: World) -> None:
    rule = {"fault": "fail_500", "next": 1, "account": world.channel.account}
    world.simulator.control("PUT", "/faults", {"create": [rule]})
    message_id = world.send(policy="at_most_once")
    world.deliver()
    world.settle()
    world.settle()
    assert world.message(message_id).status == Status.UNKNOWN
    settled = world.owner.post(f"/api/messages/{message_id}/settle", {"outcome": "send_again"})
    assert settled.json["status"] == "queued"
    world.deliver()
    world.wait_for(message_id, Status.READ)
    again = world.owner.post(f"/api/messages/{message_id}/settle", {"outcome": "arrived"})
    assert (again.status_code, again.json["code"]) == (409, "cannot_settle")


def test_a_receipt_before_the_answer_finds_its_message(world: World) -> None:
    rule = {"fault": "early", "rate": 1, "account": world.channel.account}
    world.simulator.control("PUT", "/faults", {"callback": [rule]})
    message_id = world.send()
    world.deliver()
    world.wait_for(message_id, Status.READ)
    assert len(creates(world)) == 1


def test_a_conversation_keeps_its_order(world: World) -> None:
    for number in range(5):
        world.send(body=f"number {number}")
    world.deliver()
    bodies = [each["form"]["Body"] for each in creates(world)]
    assert bodies == [f"number {number}" for number in range(5)]


def test_a_conversation_waits_for_its_first_message(world: World) -> None:
    plan = {"create": [{"fault": "throttle", "next": 1, "account": world.channel.account}]}
    world.simulator.control("PUT", "/faults", plan)
    world.send(body="first")
    world.send(body="second")
    world.deliver()
    assert creates(world) == []
    end_pause(world)
    world.deliver()
    assert [each["form"]["Body"] for each in creates(world)] == ["first", "second"]


def test_nobody_waits_for_an_answer_to_somebody_else(world: World) -> None:
    slow = {"fault": "slow", "next": 1, "account": world.channel.account, "seconds": 4}
    world.simulator.control("PUT", "/faults", {"create": [slow]})
    first = world.send(body="the provider takes its time")
    world.wake()
    wait_until(lambda: world.message(first).status == Status.SENDING)
    second = world.send(to_number="+15550100301", body="meanwhile")
    world.wake()
    wait_until(lambda: world.message(second).provider_message_id, 1.5)
    assert world.message(first).status == Status.SENDING
    world.deliver()


def test_replies_go_before_notices_and_bulk(world: World) -> None:
    for number, priority in enumerate(["bulk", "notice", "reply"]):
        world.open_window(f"+1555010030{number}")
        world.send(to_number=f"+1555010030{number}", body=priority, priority=priority)
    due = claims.due(queue_of(world), 10)
    ordered = [world.message(row.id).body for row in due]
    assert ordered == ["reply", "notice", "bulk"]


def test_a_claim_whose_worker_died_becomes_uncertain_and_is_found(world: World) -> None:
    message_id = world.send()
    due = claims.due(queue_of(world), 1)
    plan = Plan({row.id: 0.0 for row in due}, {})
    assert len(claims.take(world.tenant.id, plan)) == 1
    assert claims.take(world.tenant.id, plan) == []
    assert world.message(message_id).status == Status.SENDING
    world.settle()
    assert world.message(message_id).status == Status.UNCERTAIN
    world.settle()
    world.settle()
    world.sql("update recado.messages set retry_at = now()")
    world.deliver()
    world.wait_for(message_id, Status.READ)
    assert len(creates(world)) == 1


def test_a_frozen_worker_does_not_send_a_stale_claim(world: World) -> None:
    message_id = world.send()
    with settings_changed(claim_lease_seconds=0):
        world.deliver()
    assert creates(world) == []
    assert world.message(message_id).status == Status.QUEUED


def test_a_message_past_its_time_is_not_sent(world: World) -> None:
    message_id = world.send()
    world.sql("update recado.messages set valid_until = now() - interval '1 second'")
    world.deliver()
    message = world.message(message_id)
    assert message.status == Status.FAILED
    assert message.error is not None
    assert message.error["code"] == "expired"
    assert creates(world) == []


def test_a_scheduled_message_waits_and_can_be_canceled(world: World) -> None:
    message_id = world.send(send_at="2027-03-01T10:00:00-06:00")
    world.deliver()
    assert world.message(message_id).status == Status.QUEUED
    canceled = world.owner.post(f"/api/messages/{message_id}/cancel")
    assert canceled.json["status"] == "canceled"
    again = world.owner.post(f"/api/messages/{message_id}/cancel")
    assert (again.status_code, again.json["code"]) == (409, "cannot_cancel")
    assert creates(world) == []


def test_outside_the_window_the_provider_refuses_and_we_remember(world: World) -> None:
    stranger = "+15557770001"
    message_id = world.send(to_number=stranger)
    world.deliver()
    message = world.wait_for(message_id, Status.FAILED)
    assert message.error is not None
    assert message.error["code"] == "outside_window"
    refused = world.owner.post("/api/send", {"to_number": stranger, "body": "again"})
    assert (refused.status_code, refused.json["code"]) == (422, "outside_window")
    assert "template" in refused.json["error"]
    fallback = {"content_sid": f"HX{1:032d}", "content_variables": {"1": "Ana", "2": "lunes"}}
    sent = world.send(to_number=stranger, fallback=fallback)
    assert world.message(sent).type == "template"
    world.deliver()
    world.wait_for(sent, Status.DELIVERED)


def test_a_test_key_reaches_no_phone(world: World) -> None:
    key = create_api_key(world.tenant.id, mode="test")[1]
    tester = ApiClient(world.owner.app, key)
    answer = tester.post("/api/send", {"to_number": "+15551234567", "body": "nobody reads this"})
    world.deliver()
    shown = tester.get(f"/api/messages/{answer.json['message_id']}").json
    assert (shown["status"], shown["is_test"]) == ("delivered", True)
    assert creates(world) == []


def test_an_engine_that_has_to_end_claims_nothing_more(world: World) -> None:
    engine = Engine(names.DELIVER_CHANNEL)
    assert engine.stop(5)
    message_id = world.send()
    engine.wake(queue_of(world))
    assert engine.wait_until_idle(5)
    assert world.message(message_id).status == Status.QUEUED
