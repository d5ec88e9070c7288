"""Every uncertain message is settled: found, sent again a few times, or unknown with its reason."""

from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

import pytest

from app.channels import cache
from app.channels.providers import registry
from app.channels.providers.twilio.provider import TwilioProvider
from app.delivery import claims, reconcile, settle
from app.delivery.claims import Queue
from app.delivery.pacing import Plan
from app.models import AttemptOutcome, Message, Status
from tests.delivery.uncertain import calls, disturb, left_uncertain, let_pass
from tests.simulator.harness import wait_until
from tests.world import World

UNREADABLE = ("fail_500", "forbidden", "hang")
EMPTY_AGAIN = ("fail_500", "reset_before")


def outcomes(world: World) -> list[str]:
    rows = world.sql("select outcome from recado.attempts order by message_id, number")
    return [row.outcome for row in rows]


def pause_of(world: World, message_id: UUID) -> float:
    """Return the seconds until the message may be sent again."""
    statement = "select extract(epoch from retry_at - now()) from recado.messages where id = :id"
    return float(world.sql(statement, id=message_id)[0][0])


def run_to_the_end(world: World, message_id: UUID) -> Message:
    for _ in range(30):
        world.deliver()
        world.settle()
        world.sql("update recado.messages set retry_at = now() where retry_at is not null")
        if (message := world.message(message_id)).status not in {Status.QUEUED, Status.UNCERTAIN}:
            return message
    raise AssertionError("it has no end")


@pytest.mark.parametrize("fault", EMPTY_AGAIN)
def test_a_message_that_always_ends_ambiguous_is_sent_a_few_times_and_no_more(
    world: World, fault: str
) -> None:
    disturb(world, create=fault)
    message = run_to_the_end(world, left_uncertain(world))
    assert message.status == Status.UNKNOWN
    assert len(calls(world, "create")) == reconcile.MOST_SENDS
    assert message.error is not None
    assert message.error["code"] == "sent_too_often"
    assert "settle" in message.error["remedy"]


def test_each_resend_waits_longer_than_the_one_before(world: World) -> None:
    disturb(world, create="fail_500")
    message_id = left_uncertain(world)
    pauses = []
    for _ in range(reconcile.MOST_SENDS - 1):
        world.settle()
        world.settle()
        pauses.append(round(pause_of(world, message_id)))
        world.deliver()
        assert world.message(message_id).status == Status.QUEUED
        let_pass(world, pauses[-1] + 1)
        world.deliver()
    assert pauses == [15, 30, 60, 120]


@pytest.mark.parametrize("policy", ["default", "at_most_once"])
@pytest.mark.parametrize("fault", UNREADABLE)
def test_a_list_that_cannot_be_read_ends_the_message_at_its_greatest_age(
    world: World, fault: str, policy: str
) -> None:
    disturb(world, create="fail_500", list={"fault": fault, "seconds": 3})
    message_id = left_uncertain(world, policy=policy)
    world.settle()
    assert world.message(message_id).status == Status.UNCERTAIN
    let_pass(world, 901)
    world.settle()
    message = world.message(message_id)
    assert message.status == Status.UNKNOWN
    assert message.error is not None
    assert message.error["code"] == "list_unreadable"
    assert "settle" in message.error["remedy"]
    assert len(calls(world, "create")) == 1
    told = world.sql("select data from recado.events where type = 'message.marked_unknown'")
    assert [each.data["error"]["code"] for each in told] == ["list_unreadable"]


def test_no_message_is_ended_before_its_list_was_read_when_it_can_be(world: World) -> None:
    """Nothing was settled for an hour, because no worker ran."""
    disturb(world, create="accept_then_500")
    message_id = left_uncertain(world)
    let_pass(world, 3600)
    settle.settle_some(world.tenant.id, world.channel.id)
    assert world.message(message_id).provider_message_id is not None


def test_a_worker_that_dies_of_a_message_each_time_reaches_the_same_limit(world: World) -> None:
    message_id = world.send()
    deaths = 0
    while world.message(message_id).status == Status.QUEUED:
        world.sql("update recado.messages set retry_at = null")
        row, *_ = claims.due(Queue(world.tenant.id, world.channel.id), 1)
        assert claims.take(world.tenant.id, Plan({row.id: 0.0}, {}))
        deaths += 1
        for _ in range(3):
            world.settle()
        assert deaths < 30
    message = world.message(message_id)
    assert (deaths, message.status) == (reconcile.MOST_SENDS, Status.UNKNOWN)
    assert outcomes(world) == [AttemptOutcome.UNCERTAIN] * reconcile.MOST_SENDS


def test_a_test_message_whose_worker_died_asks_no_provider(world: World) -> None:
    message_id = world.send()
    world.sql("update recado.messages set is_test = true")
    row, *_ = claims.due(Queue(world.tenant.id, world.channel.id), 1)
    claims.take(world.tenant.id, Plan({row.id: 0.0}, {}))
    for _ in range(3):
        world.settle()
    assert world.message(message_id).status == Status.QUEUED
    assert calls(world, "list") == []


class ListlessProvider(TwilioProvider):
    """A provider that cannot list what it sent."""

    capabilities = replace(TwilioProvider.capabilities, lists_sent=False)


@pytest.mark.parametrize("policy", ["default", "at_most_once"])
def test_without_a_list_a_message_ends_unknown_and_is_never_sent_blindly(
    world: World, monkeypatch: pytest.MonkeyPatch, policy: str
) -> None:
    monkeypatch.setitem(registry.PROVIDERS, "twilio", ListlessProvider())
    cache.forget_all()
    disturb(world, create="fail_500")
    message_id = left_uncertain(world, policy=policy)
    world.settle()
    message = world.message(message_id)
    assert message.status == Status.UNKNOWN
    assert message.error is not None
    assert message.error["code"] == "no_list"
    world.deliver()
    assert len(calls(world, "create")) == 1
    cache.forget_all()


@pytest.mark.parametrize(
    ("phone", "status", "code"),
    [
        ("+15550100003", Status.SENT, None),
        ("+15550100001", Status.DELIVERED, None),
        ("+15550100002", Status.READ, None),
        ("+15550063024", Status.FAILED, "not_on_whatsapp"),
        ("+15550063016", Status.FAILED, "outside_window"),
    ],
)
def test_what_the_list_says_of_a_message_holds(
    world: World, phone: str, status: Status, code: str | None
) -> None:
    disturb(world, create="accept_then_500")
    message_id = left_uncertain(world, to_number=phone)
    wait_for_listed(world, phone, "undelivered" if phone == "+15550063024" else status)
    world.settle()
    message = world.message(message_id)
    assert message.status == status
    assert message.provider_message_id == calls(world, "create")[0]["sid"]
    assert (message.error or {}).get("code") == code
    assert outcomes(world) == [AttemptOutcome.ACCEPTED]


def wait_for_listed(world: World, phone: str, status: str) -> None:
    def is_there() -> bool:
        query = urlencode(
            {"to": f"whatsapp:{phone}", "from": f"whatsapp:{world.channel.phone_number}"}
        )
        listed = world.simulator.control("GET", f"/messages?{query}")["messages"]
        return [each["status"] for each in listed] == [status]

    wait_until(is_there)


def test_an_entry_that_the_list_showed_late_settles_a_later_attempt(world: World) -> None:
    disturb(world, create={"fault": "accept_then_500", "next": 1})
    message_id = left_uncertain(world)
    world.sql("update recado.messages set status = 'queued', lease_until = null")
    disturb(world, create="fail_500")
    world.deliver()
    world.sql(
        "update recado.attempts set created_at = now() + interval '5 minutes' where number = 2"
    )
    world.settle()
    assert world.message(message_id).provider_message_id == calls(world, "create")[0]["sid"]


def test_a_reply_held_behind_an_uncertain_message_follows_when_that_is_sent_again(
    world: World,
) -> None:
    disturb(world, create={"fault": "fail_500", "next": 1})
    notice = left_uncertain(world)
    reply = world.send(body="an answer")
    world.sql("update recado.messages set priority = 0 where id = :id", id=reply)
    for _ in range(6):
        let_pass(world, 60)
        world.settle()
        world.deliver()
    assert world.message(notice).provider_message_id is not None
    assert world.message(reply).provider_message_id is not None


@pytest.mark.parametrize("end", ["list", "send", "hand"])
def test_after_an_end_the_conversation_goes_on(world: World, end: str) -> None:
    rule = {"fault": "fail_500", "body": "first"}
    disturb(world, create=rule, list="forbidden" if end == "list" else {"fault": "slow", "next": 0})
    first = left_uncertain(world, body="first")
    second = world.send(body="second")
    world.deliver()
    assert world.message(second).status == Status.QUEUED
    if end == "send":
        run_to_the_end(world, first)
    elif end == "list":
        world.settle()
        let_pass(world, 901)
        world.settle()
    else:
        path = f"/api/messages/{first}/settle"
        assert world.owner.post(path, {"outcome": "did_not_arrive"}).status_code == 200
    world.deliver()
    assert world.message(second).provider_message_id is not None
    assert world.message(first).status == (Status.FAILED if end == "hand" else Status.UNKNOWN)


CLOSED = (
    "update recado.channels set status = 'disabled'",
    "update recado.tenants set status = 'closed'",
)


@pytest.mark.parametrize("closed", CLOSED)
def test_what_a_closed_channel_sent_before_is_found_all_the_same(world: World, closed: str) -> None:
    """Reading the list sends nothing, and whoever reopens the channel wants to know the outcome."""
    disturb(world, create="accept_then_reset")
    message_id = left_uncertain(world)
    world.sql(closed)
    cache.forget_all()
    world.settle()
    assert world.message(message_id).provider_message_id is not None


@pytest.mark.parametrize("closed", CLOSED)
def test_what_a_closed_channel_did_not_send_waits_in_the_queue(world: World, closed: str) -> None:
    disturb(world, create="fail_500")
    message_id = left_uncertain(world)
    world.sql(closed)
    cache.forget_all()
    for _ in range(reconcile.READS):
        let_pass(world, 60)
        world.settle()
    let_pass(world, 60)
    world.deliver()
    assert world.message(message_id).status == Status.QUEUED
    assert len(calls(world, "create")) == 1


def test_messages_of_a_channel_with_sealed_credentials_are_settled_as_well(
    world: World,
) -> None:
    disturb(world, create="fail_500")
    message_id = left_uncertain(world)
    world.sql("update recado.channels set credentials = 'no key opens this'")
    cache.forget_all()
    world.settle()
    let_pass(world, 901)
    world.settle()
    assert world.message(message_id).status == Status.UNKNOWN


def test_a_doubt_that_is_settled_by_hand_is_sent_again_at_once(world: World) -> None:
    disturb(world, create={"fault": "fail_500", "next": 1}, list="forbidden")
    message_id = left_uncertain(world)
    settled = world.owner.post(f"/api/messages/{message_id}/settle", {"outcome": "send_again"})
    assert (settled.json["status"], settled.json["error"]) == ("queued", None)
    world.deliver()
    assert world.message(message_id).provider_message_id is not None
    assert len(calls(world, "create")) == 2


def test_a_doubt_cannot_be_canceled_and_the_answer_says_what_to_do(world: World) -> None:
    disturb(world, create="fail_500")
    message_id = left_uncertain(world)
    answer = world.owner.post(f"/api/messages/{message_id}/cancel")
    assert (answer.status_code, answer.json["code"]) == (409, "cannot_cancel")
    assert "/api/messages/{id}/settle" in answer.json["error"]
    assert "did_not_arrive" in answer.json["error"]
