"""A reading follows the list page by page, and no failure makes it lose a message."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest

from app.channels import cache
from app.channels.providers.base import HeardPage, Listing
from app.channels.providers.twilio import client as client_module
from app.channels.providers.twilio.client import TwilioClient
from app.common import leases
from app.inbox import reading, repair, tasks
from app.inbox.reading import Outcome
from app.inbox.repair import PageResult, Repaired
from app.tasks import drain as drains
from app.tasks import names
from simulator.twilio import listing as simulated
from simulator.twilio.resource import message_resource
from tests.inbox.lists import (
    ask,
    calm,
    channel_row,
    disturb,
    grow_old,
    heard,
    listed,
    lose,
    lose_hours_ago,
    make_due,
    run,
    step,
)
from tests.world import World

Call = tuple[Any, ...]
HEARD = TwilioClient.heard_messages


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Record the tasks that drains enqueue again."""
    calls: list[Call] = []
    monkeypatch.setattr(drains, "send", lambda *call: calls.append(call))
    return calls


@pytest.fixture
def short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAGE_SIZE", 2)


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the task also store messages that were written just now."""
    at_once = {"still_coming": timedelta(0)}
    monkeypatch.setattr(repair.read_page, "__kwdefaults__", at_once)


def work(world: World) -> None:
    """Do what a worker does when the channel's task runs."""
    tasks.repair_channel(str(world.tenant.id), str(world.channel.id))


class Killed(BaseException):
    """Stands for the death of a worker in the middle of a call."""


def test_a_reading_that_was_killed_goes_on_where_it_was(
    world: World, short_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(world, *"abcdef")
    before = channel_row(world).heard_until
    ask(world)
    assert step(world) == PageResult(Outcome.MORE, listed=2, stored=2)

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(TwilioClient, "heard_messages", die)
        with pytest.raises(Killed):
            step(world)
    row = channel_row(world)
    assert timedelta(0) < row.repair_at - row.now <= reading.LEASE, "its lease has not ended"
    assert row.heard_until == before, "an unfinished reading does not move heard_until"
    assert step(world) == PageResult(Outcome.NOTHING)
    make_due(world)
    assert run(world) == Repaired(listed=4, stored=4)
    assert sorted(heard(world)) == [*"abcdef"]
    assert [each["query"].get("Page") for each in listed(world)] == [None, "1", "2"]
    row = channel_row(world)
    assert row.heard_until > before
    assert (row.reading_until, row.reading_page, row.reading_below) == (None, None, None)


def test_what_is_written_during_a_reading_waits_for_the_next(
    world: World, short_pages: None
) -> None:
    lose(world, *"abcd")
    ask(world)
    step(world)
    lose(world, "meanwhile")
    assert run(world) == Repaired(listed=2, stored=2)
    ask(world)
    assert run(world) == Repaired(listed=5, stored=1)


def test_a_slow_list_is_read_by_one_worker_at_a_time(
    world: World, rung: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LEASE", timedelta(milliseconds=50))
    now, most = [0], [0]

    def slowly(client: TwilioClient, listing: Listing) -> HeardPage:
        now[0] += 1
        most[0] = max(most[0], now[0])
        time.sleep(0.4)
        now[0] -= 1
        return HEARD(client, listing)

    monkeypatch.setattr(TwilioClient, "heard_messages", slowly)
    ask(world)
    workers = [threading.Thread(target=work, args=(world,)) for _ in range(3)]
    for each in workers:
        each.start()
        time.sleep(0.1)
    for each in workers:
        each.join()
    assert most == [1]


def test_whoever_lost_the_lease_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(world, "lost")
    ask(world)

    def lose_the_lease(client: TwilioClient, listing: Listing) -> HeardPage:
        make_due(world)
        with monkeypatch.context() as patch:
            patch.setattr(TwilioClient, "heard_messages", HEARD)
            assert step(world).outcome is Outcome.DONE, "another worker read the list first"
        return HEARD(client, listing)

    with monkeypatch.context() as patch:
        patch.setattr(TwilioClient, "heard_messages", lose_the_lease)
        assert step(world) == PageResult(Outcome.NOTHING)
    row = channel_row(world)
    assert row.repair_at > row.now + timedelta(minutes=10)
    assert heard(world) == ["lost"]


def test_a_long_reading_lets_others_have_its_thread(
    world: World,
    rung: list[Call],
    short_pages: None,
    no_wait: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "SLICE_SECONDS", 0.0)
    lose(world, *"abcde")
    ask(world)
    for slices in (1, 2):
        work(world)
        assert (
            rung == [(names.REPAIR_CHANNEL, str(world.tenant.id), str(world.channel.id))] * slices
        )
    work(world)
    assert len(rung) == 2, "the reading was complete"
    assert len(heard(world)) == 5


def test_a_webhook_does_not_wait_for_a_page_that_is_being_stored(world: World) -> None:
    ask(world)
    held = reading.claim(world.tenant.id, world.channel.id, timedelta(0))
    assert held is not None
    with reading.held(held):
        assert world.write(body="hola")["webhook_status"] == 200


def test_known_media_cost_no_call(world: World) -> None:
    for number in range(3):
        world.write(kind="image", body=f"known {number}")
    lose(world, "lost", kind="image")
    ask(world)
    assert run(world) == Repaired(listed=4, stored=1)
    assert len(listed(world, "media_list")) == 1
    world.apply()
    (row,) = world.sql("select type, content from recado.messages where body = 'lost'")
    assert row.type == "image"
    assert "/Media/ME" in row.content["media"][0]["url"]


def test_many_unknown_media_are_asked_for_in_several_steps(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "COMPLETING_SECONDS", 0.0)
    lose(world, *"abc", kind="image")
    lose(world, "words")
    ask(world)
    assert step(world) == PageResult(Outcome.MORE, listed=0, stored=2)
    row = channel_row(world)
    assert (row.repair_at <= row.now, row.heard_until < row.reading_until) == (True, True)
    assert run(world) == Repaired(listed=4, stored=2)
    assert sorted(heard(world)) == ["a", "b", "c", "words"]


def test_the_lease_is_renewed_with_each_message_that_is_completed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    leased = []
    complete = TwilioClient.complete

    def look(client: TwilioClient, message: Any) -> Any:
        leased.append(channel_row(world).repair_at)
        return complete(client, message)

    monkeypatch.setattr(TwilioClient, "complete", look)
    lose(world, *"abc", kind="image")
    ask(world)
    run(world)
    assert leased == sorted(set(leased))
    assert len(leased) == 3


def test_media_that_cannot_be_asked_for_hold_up_nothing_else(world: World) -> None:
    lose(world, "boom", "fine", kind="image")
    lose(world, "words")
    disturb(world, media=[{"fault": "fail_500", "body": "boom"}])
    before = channel_row(world).heard_until
    ask(world)
    assert run(world) == Repaired(listed=3, stored=2)
    row = channel_row(world)
    assert row.heard_until == before, "heard_until does not pass what is missing"
    assert row.repair_tries == reading.PATIENCE, "the operator's metric counts it"
    calm(world)
    make_due(world)
    assert run(world) == Repaired(listed=3, stored=1)
    assert channel_row(world).repair_tries == 0


def test_media_that_could_not_be_asked_for_a_day_long_are_done_without(world: World) -> None:
    grow_old(world)
    lose_hours_ago(world, 25, "boom", kind="image")
    disturb(world, media=[{"fault": "fail_500"}])
    ask(world)
    assert run(world) == Repaired(listed=1, stored=1)
    calm(world)
    world.apply()
    (row,) = world.sql("select type, body from recado.messages")
    assert (row.type, row.body) == ("text", "boom")


def test_a_page_that_always_fails_is_gone_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE_SIZE", 1)
    grow_old(world)
    for hours, body in ((12, "oldest"), (8, "older"), (6, "boom"), (4, "newer"), (2, "newest")):
        lose_hours_ago(world, hours, body)
    disturb(world, list=[{"fault": "fail_500", "body": "boom"}])
    before = channel_row(world).heard_until
    ask(world)
    pauses = []
    for tries in (1, 2, 3, 4):
        assert run(world) is None
        row = channel_row(world)
        assert row.repair_tries == tries
        pauses.append(row.repair_at - row.now)
        make_due(world)
    assert pauses == sorted(pauses)
    assert run(world) is not None
    assert heard(world) == ["oldest", "older", "newer", "newest"]
    row = channel_row(world)
    assert row.heard_until == before, "heard_until does not pass what is missing"
    assert row.repair_at - row.now > timedelta(minutes=50), "it is read again, but not at once"
    calm(world)
    make_due(world)
    assert run(world) == Repaired(listed=5, stored=1)
    row = channel_row(world)
    assert row.heard_until > before
    assert row.repair_tries == 0


def test_a_list_that_hangs_is_tried_later(world: World) -> None:
    lose(world, "lost")
    disturb(world, list=[{"fault": "slow", "seconds": 3, "next": 1}])
    ask(world)
    assert step(world) == PageResult(Outcome.LATER)
    make_due(world)
    assert run(world) == Repaired(1, 1)
    calm(world)


def test_a_name_of_a_page_that_is_no_longer_good_costs_one_try(
    world: World, short_pages: None
) -> None:
    lose(world, *"abcde")
    ask(world)
    step(world)
    world.sql("update recado.channels set reading_page = reading_page || 'x'")
    assert step(world) == PageResult(Outcome.LATER)
    make_due(world)
    assert run(world) == Repaired(listed=5, stored=3)


def test_a_defect_in_the_adapter_is_a_failed_try(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(TwilioClient, "heard_messages", break_down)
    ask(world)
    assert step(world) == PageResult(Outcome.LATER)
    assert channel_row(world).repair_tries == 1


def test_a_message_that_cannot_be_read_does_not_hide_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_dates(message: Any) -> dict[str, Any]:
        dates = {"date_created": None, "date_sent": None, "date_updated": None}
        return message_resource(message) | (dates if message.body == "odd" else {})

    monkeypatch.setattr(simulated, "message_resource", without_dates)
    lose(world, "a", "odd", "b")
    before = channel_row(world).heard_until
    ask(world)
    assert run(world) == Repaired(listed=2, stored=2)
    assert sorted(heard(world)) == ["a", "b"]
    assert channel_row(world).heard_until >= before, "an unreadable message does not keep it back"


def test_a_channel_that_is_disabled_meanwhile_is_left_alone_until_it_is_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(world, "lost")
    ask(world)

    def disable(client: TwilioClient, listing: Listing) -> HeardPage:
        world.sql("update recado.channels set status = 'disabled'")
        return HEARD(client, listing)

    with monkeypatch.context() as patch:
        patch.setattr(TwilioClient, "heard_messages", disable)
        assert step(world) == PageResult(Outcome.NOTHING)
    assert heard(world) == []
    make_due(world)
    assert not repair.is_due(world.tenant.id, world.channel.id)
    assert step(world) == PageResult(Outcome.NOTHING)
    world.sql("update recado.channels set status = 'active'")
    assert run(world) == Repaired(1, 1)


def test_a_closed_tenant_s_lists_are_looked_after_rarely(world: World) -> None:
    world.sql("update recado.tenants set status = 'closed'")
    cache.forget_all()
    make_due(world)
    assert step(world) == PageResult(Outcome.LATER)
    row = channel_row(world)
    assert row.repair_at - row.now > timedelta(hours=5)
    assert listed(world) == []


def test_without_redis_the_row_keeps_others_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "take", lambda name: leases.Lease(name, None))
    ask(world)
    assert reading.claim(world.tenant.id, world.channel.id, timedelta(0)) is not None
    assert run(world) is None
    work(world)
    assert listed(world) == []
