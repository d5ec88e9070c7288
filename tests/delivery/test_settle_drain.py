"""Settling is one drain for each channel: bounded, fair to the others, and quick to stop."""

import threading
import time
from collections.abc import Callable

import pytest
from flask import Flask

from app.delivery import settle, tasks
from app.models import Status
from tests.delivery.uncertain import advance_lists, calls, disturb, left_uncertain, let_pass
from tests.factories import ApiClient, create_tenant
from tests.simulator.harness import Simulator, wait_until
from tests.world import World, settle_in


@pytest.fixture
def other(outer: tuple[Simulator, str], app: Flask, sign_in: Callable[..., ApiClient]) -> World:
    """Another business at the same simulator."""
    tenant = create_tenant()
    return settle_in(*outer, tenant, lambda: sign_in(tenant=tenant))


def run_task(world: World) -> None:
    tasks.settle_channel(str(world.tenant.id), str(world.channel.id))


def test_one_worker_at_a_time_settles_a_channel_and_others_go_on(
    world: World, other: World
) -> None:
    """The list of one channel hangs: it takes one thread, and does not delay other channels."""
    disturb(world, create="fail_500")
    stuck = left_uncertain(world)
    disturb(other, create="accept_then_500")
    free = left_uncertain(other)
    plan = {"list": [{"fault": "hang", "seconds": 4, "account": world.channel.account}]}
    world.simulator.control("PUT", "/faults", plan)
    for each in (world, other):
        each.sql("update recado.messages set lease_until = now()")
    first = threading.Thread(target=run_task, args=(world,))
    first.start()
    wait_until(lambda: calls(world, "list"))
    world.sql("update recado.messages set lease_until = now()")
    began = time.monotonic()
    run_task(world)
    run_task(other)
    assert time.monotonic() - began < 1.5
    assert other.message(free).status != Status.UNCERTAIN
    assert len(calls(world, "list")) == 1
    assert first.is_alive()
    first.join(10)
    assert world.message(stuck).status == Status.UNCERTAIN


def test_uncertain_messages_end_in_time_while_all_readers_are_busy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "_room", threading.Semaphore(0))
    disturb(world, create="fail_500")
    message_id = left_uncertain(world)
    world.settle()
    assert world.message(message_id).status == Status.UNCERTAIN
    let_pass(world, 901)
    world.settle()
    assert world.message(message_id).status == Status.UNKNOWN
    assert calls(world, "list") == []


def test_channels_in_trouble_leave_room_for_the_others(
    world: World, other: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "_room_in_trouble", threading.Semaphore(0))
    disturb(world, create="fail_500", list={"fault": "fail_500", "next": 1})
    stuck = left_uncertain(world)
    world.settle()
    advance_lists(world, 16)
    world.settle()
    assert world.message(stuck).status == Status.UNCERTAIN
    assert len(calls(world, "list")) == 1
    disturb(other, create="accept_then_500")
    free = left_uncertain(other)
    other.settle()
    assert other.message(free).provider_message_id is not None


def test_many_uncertain_messages_of_one_channel_are_read_in_parallel(world: World) -> None:
    disturb(world, create="fail_500", list={"fault": "slow", "seconds": 0.5})
    message_ids = [left_uncertain(world, to_number=f"+1555010032{n}") for n in range(8)]
    began = time.monotonic()
    world.settle()
    assert time.monotonic() - began < 2.5
    assert len(calls(world, "list")) == len(message_ids)


def test_a_list_that_cannot_be_read_is_read_again_after_growing_pauses(world: World) -> None:
    disturb(world, create="fail_500", list="fail_500")
    message_ids = [left_uncertain(world, to_number=f"+1555010031{n}") for n in range(3)]
    for _ in range(900):
        settle.settle_some(world.tenant.id, world.channel.id)
        if world.message(message_ids[0]).status != Status.UNCERTAIN:
            break
        let_pass(world, 5)
        advance_lists(world, 5)
    assert {world.message(each).status for each in message_ids} == {Status.UNKNOWN}
    # One reading for all of them: at once, then after 15, 30, 60, 120, 240, 300 … seconds.
    assert 6 <= len(calls(world, "list")) <= 7


def test_a_message_that_is_settled_while_its_list_is_read_stays_so(world: World) -> None:
    disturb(world, create="fail_500", list={"fault": "slow", "seconds": 1})
    message_id = left_uncertain(world)
    world.settle()
    reading_again = threading.Thread(target=world.settle)
    reading_again.start()
    wait_until(lambda: len(calls(world, "list")) == 2)
    path = f"/api/messages/{message_id}/settle"
    assert world.owner.post(path, {"outcome": "arrived"}).json["status"] == "delivered"
    reading_again.join(10)
    assert world.message(message_id).status == Status.DELIVERED
