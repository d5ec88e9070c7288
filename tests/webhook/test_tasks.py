"""Who applies a tenant's inbox, and how many at once."""

from dataclasses import replace
from typing import Any

import pytest

from app import config
from app.common import singleton
from app.extensions import redis_handle
from app.tasks import names
from app.tasks.ring import _key
from app.webhook import apply, tasks
from tests.world import World

Call = tuple[Any, ...]


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Rings that the tasks send; batches of two, so that five items are a crowd."""
    calls: list[Call] = []
    monkeypatch.setattr(apply, "BATCH", 2)
    monkeypatch.setattr(config.InForce, "settings", replace(config.current(), inbox_lanes=3))
    monkeypatch.setattr(tasks, "send", lambda *call: calls.append(call))
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


def hold(world: World, *lanes: int) -> None:
    assert all(singleton.acquire(f"inbox:{world.tenant.id}:{lane}") for lane in lanes)


def test_one_worker_applies_all_and_calls_for_help_in_a_crowd(
    crowded: World, rung: list[Call]
) -> None:
    tasks.apply_inbox(str(crowded.tenant.id))
    assert waiting(crowded) == 0
    assert rung == [(names.APPLY_INBOX, str(crowded.tenant.id))] * 2


def test_after_its_end_the_next_webhook_rings_again(crowded: World, rung: list[Call]) -> None:
    tasks.apply_inbox(str(crowded.tenant.id))
    key = _key(names.APPLY_INBOX, (crowded.tenant.id,))
    assert not redis_handle.client.exists(key)


def test_a_helper_takes_one_batch_and_calls_the_next(crowded: World, rung: list[Call]) -> None:
    hold(crowded, 0)
    tasks.apply_inbox(str(crowded.tenant.id))
    assert waiting(crowded) == 3
    assert len(rung) == 1


def test_when_there_are_enough_another_one_leaves(crowded: World, rung: list[Call]) -> None:
    hold(crowded, *range(config.current().inbox_lanes))
    tasks.apply_inbox(str(crowded.tenant.id))
    assert (waiting(crowded), rung) == (5, [])


def test_a_slice_that_ends_before_the_work_rings_for_the_rest(
    crowded: World, rung: list[Call], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "SLICE_SECONDS", 0.0)
    tasks.apply_inbox(str(crowded.tenant.id))
    assert waiting(crowded) == 1
    assert rung == [(names.APPLY_INBOX, str(crowded.tenant.id))]
