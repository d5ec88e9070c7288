"""Which workers apply a tenant's inbox, and how many at once."""

from dataclasses import replace
from typing import Any

import pytest

from app import config
from app.common import leases
from app.extensions import redis_handle
from app.inbox import apply, tasks
from app.tasks import drain, names
from app.tasks.ring import _key
from tests.world import World

Call = tuple[Any, ...]


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Record the enqueued tasks, with batches of two, so that five items need several."""
    calls: list[Call] = []
    monkeypatch.setattr(apply, "BATCH", 2)
    monkeypatch.setattr(config.InForce, "settings", replace(config.current(), inbox_lanes=3))
    monkeypatch.setattr(tasks, "ring_once", lambda *call: calls.append(call))
    monkeypatch.setattr(drain, "send", lambda *call: calls.append(call))
    return calls


@pytest.fixture
def crowded(world: World) -> World:
    for number in range(5):
        world.write(body=f"number {number}")
    assert waiting(world) == 5
    return world


def waiting(world: World) -> int:
    rows = world.sql("select count(*) from recado.inbox_items where state = 'received'")
    return int(rows[0][0])


def test_one_worker_applies_all_and_calls_for_help_in_a_crowd(
    crowded: World, rung: list[Call]
) -> None:
    tasks.apply_inbox(str(crowded.tenant.id))
    assert waiting(crowded) == 0
    assert rung == [(names.HELP_INBOX, crowded.tenant.id, lane) for lane in (1, 2)] * 2


def test_after_its_end_the_next_webhook_rings_again(crowded: World, rung: list[Call]) -> None:
    tasks.apply_inbox(str(crowded.tenant.id))
    key = _key(names.APPLY_INBOX, (crowded.tenant.id,))
    assert not redis_handle.client.exists(key)


def test_a_helper_leaves_when_no_whole_batch_waits(crowded: World, rung: list[Call]) -> None:
    tasks.help_inbox(str(crowded.tenant.id), "1")
    assert (waiting(crowded), rung) == (0, [])


def test_each_lane_has_one_worker(crowded: World, rung: list[Call]) -> None:
    lanes = ((names.APPLY_INBOX,), (names.HELP_INBOX, 1))
    held = [leases.take(drain.name_of(lane[0], crowded.tenant.id, *lane[1:])) for lane in lanes]
    assert all(held)
    tasks.apply_inbox(str(crowded.tenant.id))
    tasks.help_inbox(str(crowded.tenant.id), "1")
    assert (waiting(crowded), rung) == (5, [])


def test_a_slice_that_ends_before_the_work_rings_for_the_rest(
    crowded: World, rung: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SLICE_SECONDS", 0.0)
    tasks.apply_inbox(str(crowded.tenant.id))
    assert waiting(crowded) == 3
    assert (names.APPLY_INBOX, str(crowded.tenant.id)) in rung
