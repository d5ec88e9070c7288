"""Requested readings: what a request may contain, and that it delays nobody else."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from app import db
from app.channels.providers.base import HeardPage, Listing
from app.channels.providers.twilio.client import TwilioClient
from app.common import clock, leases
from app.common.ids import new_id
from app.inbox import read_requests, reading, repair, tasks
from app.inbox import reading_repository as repository
from app.inbox.due import DUE
from app.inbox.repair import Repaired
from app.models import Channel
from app.tasks import due, names
from app.tasks.drain import name_of
from tests.factories import ApiClient, create_channel, create_tenant
from tests.inbox.lists import (
    ask,
    channel_row,
    grow_old,
    heard,
    listed,
    lose,
    lose_hours_ago,
    make_due,
    run,
    second,
    step,
    watch_the_question,
)
from tests.world import World

HEARD = TwilioClient.heard_messages


def request(world: World, **body: Any) -> dict[str, Any]:
    answer = world.owner.post("/api/inbox/repair", body)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json
    return found


def work(tenant_id: Any, channel_id: Any) -> None:
    """Do what a worker does when the channel's task runs."""
    tasks.repair_channel(str(tenant_id), str(channel_id))


def test_it_answers_from_when_on_lists_are_read(world: World) -> None:
    grow_old(world, days=5)
    row = channel_row(world)
    assert request(world) == {"channels": 1, "since": clock.isoformat(row.heard_until)}
    since = clock.now() - timedelta(hours=2)
    grow_old(world, days=0)
    world.sql("update recado.channels set created_at = now() - interval '1 day'")
    assert request(world, since=since.isoformat()) == {
        "channels": 1,
        "since": clock.isoformat(since),
    }


def test_without_a_channel_it_reads_nothing(signed_in: ApiClient) -> None:
    assert signed_in.post("/api/inbox/repair", {}).json == {"channels": 0, "since": None}


@pytest.mark.parametrize(
    "since",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+05:00",
        "1969-12-31T23:59:59Z",
        "2000-01-01T00:00:00-03:00",
    ],
)
def test_nothing_is_read_from_before_the_channel_was_added(
    world: World, monkeypatch: pytest.MonkeyPatch, since: str
) -> None:
    created_at = channel_row(world).created_at
    assert request(world, since=since)["since"] == clock.isoformat(created_at)
    asked = watch_the_question(monkeypatch)
    assert run(world) == Repaired(0, 0)
    assert asked == [created_at]
    assert world.owner.get("/channels").status_code == 200


@pytest.mark.parametrize("since", ["2999-01-01T00:00:00Z", "9999-12-31T23:59:59-05:00"])
def test_a_moment_that_has_not_come_yet_is_refused(world: World, since: str) -> None:
    answer = world.owner.post("/api/inbox/repair", {"since": since})
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
    (reason,) = answer.json["details"]["fields"]["since"]
    assert reason.startswith("This time is in the future.")


@pytest.mark.parametrize(
    "held", ["0001-01-01", "0044-03-15 BC", "-infinity", "9999-12-31", "infinity"]
)
def test_a_channel_that_holds_nonsense_heals_by_itself(world: World, held: str) -> None:
    world.sql("update recado.channels set heard_until = cast(:held as timestamptz)", held=held)
    lose(world, "lost")
    make_due(world)
    assert run(world) == Repaired(1, 1)
    row = channel_row(world)
    assert row.created_at <= row.heard_until <= row.now
    assert heard(world) == ["lost"]


def test_a_request_after_a_reading_does_not_read_again_at_once(world: World) -> None:
    request(world)
    work(world.tenant.id, world.channel.id)
    for _ in range(3):
        request(world)
        work(world.tenant.id, world.channel.id)
    assert len(listed(world)) == 1
    row = channel_row(world)
    assert timedelta(seconds=20) < row.repair_at - row.now <= read_requests.ASK_PAUSE


def test_requests_do_not_wear_out_a_provider_that_is_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def fail(*_: Any) -> None:
        tries.append(1)
        raise OSError

    monkeypatch.setattr(TwilioClient, "heard_messages", fail)
    for _ in range(5):
        request(world)
        work(world.tenant.id, world.channel.id)
    assert len(tries) == 1
    assert channel_row(world).repair_tries == 1, "a request does not reset the backoff"


def test_a_request_during_a_reading_only_widens_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    grow_old(world)
    world.sql("update recado.channels set heard_until = now()")
    lose_hours_ago(world, 5, "older")
    lose(world, "lost")
    ask(world)
    since = clock.now() - timedelta(hours=6)
    asked: list[Listing] = []

    def ask_meanwhile(client: TwilioClient, listing: Listing) -> HeardPage:
        if not asked:
            leased = channel_row(world).repair_at
            request(world, since=since.isoformat())
            assert channel_row(world).repair_at == leased, "a request does not change the lease"
            assert step(world).outcome is reading.Outcome.NOTHING
        asked.append(listing)
        return HEARD(client, listing)

    monkeypatch.setattr(TwilioClient, "heard_messages", ask_meanwhile)
    assert run(world) == Repaired(listed=2, stored=2)
    assert [each.since for each in asked][1:] == [since - reading.OVERLAP]
    row = channel_row(world)
    assert row.heard_until > row.now - timedelta(minutes=1)
    assert row.repair_at - row.now < timedelta(minutes=3), "the list is read again soon"
    assert sorted(heard(world)) == ["lost", "older"]


def test_a_tenant_has_two_readings_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    channels = [world.channel, *(create_channel(world.tenant.id) for _ in range(5))]
    now, most = [0], [0]
    lock = threading.Lock()

    def slowly(*_: Any) -> HeardPage:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.3)
        with lock:
            now[0] -= 1
        return HeardPage([])

    monkeypatch.setattr(TwilioClient, "heard_messages", slowly)
    request(world)
    world.sql("update recado.channels set repair_at = now()")
    with ThreadPoolExecutor(len(channels)) as workers:
        for each in channels:
            workers.submit(work, world.tenant.id, each.id)
    assert most == [repair.AT_ONCE]


@pytest.fixture
def crowd(world: World) -> list[Channel]:
    """Create twenty more channels of the tenant; the readings of all channels are overdue."""
    channels = [create_channel(world.tenant.id) for _ in range(20)]
    world.sql("update recado.channels set repair_at = '1990-01-01'")
    return channels


def test_those_without_a_place_do_not_stand_before_other_tenants(
    world: World, crowd: list[Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = create_channel(create_tenant().id)
    with db.tenant_session(other.tenant_id) as session:
        session.merge(other).repair_at = datetime(1991, 1, 1, tzinfo=UTC)
    held = [
        leases.take(name_of(names.REPAIR_CHANNEL, world.tenant.id, number))
        for number in range(repair.AT_ONCE)
    ]
    rung: list[str] = []

    def send(task: str, *ids: Any) -> None:
        if task == names.REPAIR_CHANNEL:
            rung.append(str(ids[1]))
            if ids[0] == world.tenant.id:
                work(*ids)

    monkeypatch.setattr(due, "send", send)
    for _ in range(6):
        due.ring_all([kind for kind in DUE if kind.name == "repair"])
    assert str(other.id) in rung
    assert listed(world) == []
    for lease in held:
        assert lease is not None
        leases.give_back(lease)


def test_channels_of_a_tenant_are_spread_out(world: World, crowd: list[Channel]) -> None:
    world.sql("update recado.channels set repair_at = now() + interval '15 minutes'")
    assert request(world)["channels"] == 21
    rows = world.sql("select extract(epoch from repair_at - now()) as due from recado.channels")
    due = sorted(float(row.due) for row in rows)
    assert 3 < due[-1] - due[0] <= 20 * read_requests.SPACING.total_seconds()


def test_two_requests_at_once_do_not_lock_each_other_out(
    world: World, crowd: list[Channel]
) -> None:
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda _: request(world), range(12)))
    assert {each["channels"] for each in answers} == {21}


def test_another_tenant_s_channel_is_not_asked_for(world: World, outsider: ApiClient) -> None:
    before = channel_row(world).repair_at
    answer = outsider.post("/api/inbox/repair", {"channel_id": str(world.channel.id)})
    assert answer.status_code == 404
    with db.tenant_session(outsider.tenant_id) as session:
        wanted = repository.ReadRequest(None, world.channel.id, reading.kept(), *[timedelta(0)] * 2)
        assert repository.request_reading(session, wanted) == []
        assert repository.claim(session, world.channel.id, new_id(), _rules()) is None
    assert channel_row(world).repair_at == before


def _rules() -> repository.ReadingRules:
    return repository.ReadingRules(reading.OVERLAP, reading.kept(), timedelta(0), reading.LEASE)


def test_the_command_reads_at_once_what_was_read_a_moment_ago(world: World, app: Flask) -> None:
    request(world)
    work(world.tenant.id, world.channel.id)
    arguments = ["inbox", "repair", "--tenant", str(world.tenant.id), "--since", "0001-01-01"]
    result = app.test_cli_runner().invoke(args=arguments)
    assert (result.exit_code, len(listed(world))) == (0, 2), result.output
    created = second(channel_row(world).created_at).isoformat().replace("+00:00", "Z")
    assert listed(world)[-1]["query"]["DateSent>"] == created


def test_the_command_leaves_a_list_to_whoever_reads_it(world: World, app: Flask) -> None:
    arguments = ["inbox", "repair", "--tenant", str(world.tenant.id), "--since", "2026-01-01"]
    with repair.alone(world.tenant.id, world.channel.id):
        result = app.test_cli_runner().invoke(args=arguments)
    assert (result.exit_code, listed(world)) == (1, [])
    row = channel_row(world)
    assert (row.repair_at <= row.now, row.heard_until) == (True, row.created_at)


def test_the_command_refuses_a_moment_that_has_not_come_yet(app: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["inbox", "repair", "--since", "9999-12-31"])
    assert result.exit_code == 2
    assert "This time is in the future" in result.output
