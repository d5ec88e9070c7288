"""The scheduler serves every tenant, merges waiting ticks into one, and limits every queue."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from app.common import leases
from app.common.ids import new_id
from app.extensions import redis_handle
from app.tasks import due, names, schedule
from app.tasks.drain import name_of
from app.tasks.due import DueWork
from app.tasks.queues import QUEUE_OF

COUNT = 25
NUMBERS = text("""
    select cast(format('00000000-0000-7000-8000-%s', lpad(to_hex(n), 12, '0')) as uuid) as tenant_id
    from generate_series(1, 25) n
    where cast(format('00000000-0000-7000-8000-%s', lpad(to_hex(n), 12, '0')) as uuid)
        > :after_tenant_id
    order by 1 limit :most
""")

Sent = list[tuple[Any, ...]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, app: Flask) -> Sent:
    found: Sent = []
    monkeypatch.setattr(due, "send", lambda *what: found.append(what))
    return found


@pytest.fixture
def work() -> Iterator[DueWork]:
    """Twenty-five tenants that are always due; one query returns ten of them."""
    yield DueWork(
        f"test-{new_id()}",
        NUMBERS,
        ("tenant_id",),
        lambda row: [(names.APPLY_INBOX, row.tenant_id)],
        most=10,
    )
    redis_handle.client.delete(str(QUEUE_OF[names.APPLY_INBOX]))


def test_those_that_stay_due_for_ever_keep_nobody_else_waiting(sent: Sent, work: DueWork) -> None:
    for _ in range(3):
        due.ring_all([work])
    assert len({ids for _, ids in sent}) == COUNT
    due.ring_all([work])
    assert len(sent) == COUNT + 10


def test_an_emptied_redis_lets_it_start_over(sent: Sent, work: DueWork) -> None:
    due.ring_all([work])
    redis_handle.client.flushdb()
    due.ring_all([work])
    assert {ids for _, ids in sent[:10]} == {ids for _, ids in sent[10:]}


def test_whoever_is_drained_already_is_not_rung(sent: Sent, work: DueWork) -> None:
    due.ring_all([work])
    redis_handle.client.delete(f"scheduler:{work.name}")
    (_, first), *_ = sent
    lease = leases.take(name_of(names.APPLY_INBOX, first))
    assert lease
    sent.clear()
    due.ring_all([work])
    assert len(sent) == 9
    assert first not in {ids for _, ids in sent}
    leases.give_back(lease)


def test_a_queue_whose_workers_are_away_grows_to_its_bound(sent: Sent, work: DueWork) -> None:
    waiting = ["x"] * due.MOST_WAITING
    redis_handle.client.rpush(str(QUEUE_OF[names.APPLY_INBOX]), *waiting)
    due.ring_all([work])
    assert sent == []
    redis_handle.client.lpop(str(QUEUE_OF[names.APPLY_INBOX]), 10)
    due.ring_all([work])
    assert len(sent) > 0


def test_ticks_that_waited_in_a_queue_come_down_to_one(app: Flask) -> None:
    job = str(new_id())
    assert [schedule.is_first_within(job, 60_000) for _ in range(5)] == [True, *[False] * 4]
