"""Messages that arrived while Recado was unavailable are found in the provider's list, once."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from app import config, db
from app.channels import cache
from app.channels.providers.base import HeardPage, ProviderUnavailable
from app.channels.providers.twilio.client import TwilioClient
from app.common import clock
from app.health import service as health
from app.inbox import read_requests, reading, repair, repository
from app.inbox.due import DUE
from app.inbox.repair import Repaired
from app.tasks import due, names, schedule
from tests.factories import ApiClient
from tests.inbox.lists import ask, channel_row, heard, outage, run, watch_the_question
from tests.world import World, settings_changed


def test_exactly_the_missing_ones_come_and_twice_is_harmless(world: World) -> None:
    world.write(body="before")
    with outage(world):
        for number in range(3):
            assert world.write(body=f"lost {number}")["webhook_status"] != 200
    world.write(body="after")
    everything = ["before", "lost 0", "lost 1", "lost 2", "after"]
    assert sorted(heard(world)) == ["after", "before"]
    ask(world)
    assert run(world) == Repaired(listed=5, stored=3)
    assert sorted(heard(world)) == sorted(everything)
    ask(world, since=clock.isoformat(clock.now() - timedelta(days=1)))
    assert run(world) == Repaired(listed=5, stored=0)
    assert len(heard(world)) == 5
    ledger = world.owner.get("/api/inbox/ledger").json
    assert (ledger["received"], ledger["applied"], ledger["repaired"]) == (5, 5, 3)


def test_a_repaired_message_is_dated_when_it_was_written(world: World) -> None:
    with outage(world):
        world.write(body="lost")
    world.sql("update recado.channels set created_at = now() - interval '3 hours'")
    ask(world)
    run(world)
    heard(world)
    (row,) = world.sql(
        "select m.created_at, c.last_inbound_at, i.created_at as noted, i.is_repaired"
        " from recado.messages m join recado.conversations c on c.id = m.conversation_id"
        " join recado.inbox_items i on i.id = m.id"
    )
    assert row.created_at == row.noted == row.last_inbound_at
    assert row.created_at.microsecond == 0, "the list has whole seconds"
    assert row.is_repaired


def test_a_webhook_that_comes_after_the_repair_changes_nothing(world: World) -> None:
    with outage(world):
        world.write(body="late")
    ask(world)
    assert run(world) == Repaired(1, 1)
    (row,) = world.sql("select event_key, raw from recado.inbox_items")
    assert repository.store(world.tenant.id, [(world.channel.id, row.event_key, row.raw)]) == 0
    assert heard(world) == ["late"]
    assert world.owner.get("/api/inbox/ledger").json["duplicate"] == 1


def test_what_people_wrote_to_a_closed_business_comes_once_it_is_open_again(
    world: World, platform_admin: ApiClient
) -> None:
    path = f"/tenants/{world.tenant.id}"
    platform_admin.put(path, {"status": "closed"})
    cache.forget_all()
    assert world.write(body="are you there?")["webhook_status"] == 403
    repair.read_page(world.tenant.id, world.channel.id)
    assert not repair.is_due(world.tenant.id, world.channel.id)
    assert platform_admin.put(path, {"status": "active"}).json["status"] == "active"
    world.sql("update recado.channels set repair_at = repair_at - interval '1 minute'")
    assert run(world) == Repaired(listed=1, stored=1)
    assert heard(world) == ["are you there?"]


def test_what_may_still_come_by_webhook_is_left_to_it(world: World) -> None:
    with outage(world):
        world.write(body="young")
    ask(world)
    before = channel_row(world).heard_until
    assert run(world, timedelta(minutes=1)) == Repaired(listed=1, stored=0)
    row = channel_row(world)
    assert row.repair_at - row.now < timedelta(minutes=3), "the list is read again soon"
    assert row.heard_until == before, "heard_until does not pass what is missing"
    ask(world)
    assert run(world) == Repaired(listed=1, stored=1)


def test_nothing_from_before_the_channel_was_added_comes_in(world: World) -> None:
    with outage(world):
        world.write(body="before we were connected")
    world.sql("update recado.channels set created_at = now() + interval '2 seconds'")
    ask(world, since=clock.isoformat(clock.now() - timedelta(days=1)))
    assert run(world) == Repaired(0, 0)


def test_what_may_be_forgotten_by_now_is_not_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = watch_the_question(monkeypatch)
    world.sql("update recado.channels set created_at = now() - interval '1 year'")
    ask(world, since=clock.isoformat(clock.now() - timedelta(days=300)))
    run(world)
    kept = timedelta(days=config.current().inbox_retention_days)
    assert kept - timedelta(hours=2) < clock.now() - asked[0] < kept


def test_while_the_provider_is_away_it_is_tried_later_and_later(world: World) -> None:
    with outage(world):
        world.write(body="lost")
    with settings_changed(twilio_api_base_url="http://127.0.0.1:9"):
        pauses = []
        for _ in range(3):
            world.sql("update recado.channels set repair_at = now()")
            assert run(world) is None
            row = channel_row(world)
            pauses.append(row.repair_at - row.now)
    assert pauses == sorted(pauses)
    assert row.repair_tries == 3
    cache.forget_all()
    ask(world)
    assert run(world) == Repaired(1, 1)
    assert channel_row(world).repair_tries == 0


def test_no_transaction_is_open_while_the_list_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = db.Database.engine
    assert engine is not None
    seen: list[int] = []

    def look(*_: Any) -> HeardPage:
        seen.append(engine.pool.checkedout())  # type: ignore[attr-defined]
        return HeardPage([])

    monkeypatch.setattr(TwilioClient, "heard_messages", look)
    ask(world)
    run(world)
    assert seen == [0]


def test_only_a_due_channel_is_read_and_by_one_at_a_time(world: World) -> None:
    assert run(world) is None, "a new channel is not due"
    ask(world)
    assert run(world) is not None
    assert run(world) is None, "the list was read just now"


def test_a_repair_is_no_change_of_the_channel(world: World) -> None:
    before = channel_row(world).updated_at
    ask(world)
    run(world)
    assert channel_row(world).updated_at == before


def test_the_next_reading_begins_before_the_last_one_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(world)
    run(world)
    ended = channel_row(world).heard_until
    world.sql("update recado.channels set created_at = now() - interval '1 day'")
    asked = watch_the_question(monkeypatch)
    ask(world)
    run(world)
    assert asked == [ended - reading.OVERLAP]


def test_a_silence_of_ours_has_every_list_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[tuple[Any, ...]] = []
    monkeypatch.setattr(schedule, "send", lambda *call: rung.append(call))
    monkeypatch.setattr(schedule, "DUE", ())
    monkeypatch.setattr(due, "send", lambda *call: rung.append(call))
    monkeypatch.setattr(schedule, "is_first_within", lambda *_: True)
    monkeypatch.setattr(health, "silence", lambda: 11.0)
    schedule.ring_due()
    assert (names.REPAIR_SOON,) in rung
    assert read_requests.request_everywhere(None) >= 1
    due.ring_all([kind for kind in DUE if kind.name == "repair"])
    rings = [call for call in rung if call[0] == names.REPAIR_CHANNEL]
    assert 1 <= len(rings) <= 5, "at most five in a second"


def test_the_command_reads_every_list_and_tells_how_many_came(world: World, app: Flask) -> None:
    with outage(world):
        world.write(body="lost")
    arguments = ["inbox", "repair", "--tenant", str(world.tenant.id), "--since", "2026-01-01"]
    with pytest.MonkeyPatch.context() as patch:
        defaults: dict[str, Any] = {"still_coming": timedelta(0)}
        patch.setattr(repair.read_list, "__kwdefaults__", defaults)
        result = app.test_cli_runner().invoke(args=arguments)
    assert result.exit_code == 0, result.output
    assert "1/1" in result.output
    assert "1 messages stored from 1 of 1 channels." in result.output
    assert heard(world) == ["lost"]


def test_the_command_fails_when_a_list_cannot_be_read(
    world: World, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise ProviderUnavailable("HTTP 503")

    monkeypatch.setattr(TwilioClient, "heard_messages", away)
    result = app.test_cli_runner().invoke(
        args=["inbox", "repair", "--tenant", str(world.tenant.id)]
    )
    assert result.exit_code == 1
    assert "1 lists could not be read" in result.output


def test_a_repair_of_a_disabled_channel_is_refused(world: World) -> None:
    world.sql("update recado.channels set status = 'disabled'")
    answer = world.owner.post("/api/inbox/repair", {"channel_id": str(world.channel.id)})
    assert answer.json["code"] == "channel_disabled"


def test_the_keyword_bot_answers_a_repaired_message_once(world: World) -> None:
    world.owner.post("/api/keyword-replies", {"keywords": ["hola"], "reply": "¡Hola!"})
    with outage(world):
        world.write(body="hola")
    for _ in range(2):
        ask(world)
        run(world)
        heard(world)
    outgoing = "select body from recado.messages where direction = 'outgoing'"
    assert [row.body for row in world.sql(outgoing)] == ["¡Hola!"]
