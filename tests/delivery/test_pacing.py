"""No second above the channel's rate, whatever the drains do; one message of a pair at a time."""

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
import redis
from flask import Flask

from app.common.ids import new_id
from app.delivery import pacing
from app.delivery.pacing import HORIZON_MS, Gate, LocalPace, Plan
from app.extensions import redis_handle


@dataclass(frozen=True)
class Due:
    """The columns of a due row that `plan` reads."""

    id: UUID = field(default_factory=new_id)
    conversation_id: UUID = field(default_factory=new_id)


@pytest.fixture
def channel(app: Flask) -> UUID:
    return new_id()


@pytest.fixture
def without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that refuses every connection."""
    monkeypatch.setattr(redis_handle, "client", redis.Redis.from_url("redis://127.0.0.1:1/0"))
    monkeypatch.setattr(pacing, "local_pace", LocalPace())


def plan(channel: UUID, rate: int, rows: Any) -> Plan:
    return pacing.plan(channel, rate, rows)


def moments(channel: UUID, rate: int, seconds: float) -> list[float]:
    """Return when messages would be sent if a greedy drain asked for `seconds`."""
    found: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        given = plan(channel, rate, [Due() for _ in range(40)])
        # The delays count from the verdict, which is late when Redis is away.
        now = time.monotonic()
        found += [now + delay for delay in given.delays.values()]
        time.sleep(0.05)
    return sorted(found)


def busiest_second(leaving: list[float]) -> int:
    return max(
        sum(start <= each < start + 1 for each in leaving[index:])
        for index, start in enumerate(leaving)
    )


@pytest.mark.parametrize("rate", [5, 80])
def test_no_second_holds_more_than_the_rate(channel: UUID, rate: int) -> None:
    leaving = moments(channel, rate, 1.5)
    assert busiest_second(leaving) <= rate
    # The pace is used up, too: two seconds of slots were given in these one and a half.
    assert len(leaving) >= rate * 1.5


def test_no_second_holds_more_than_the_rate_without_redis(
    channel: UUID, without_redis: None
) -> None:
    leaving = moments(channel, 80, 1.2)
    assert busiest_second(leaving) <= 80
    assert len(leaving) >= 80 * 1.2


def test_two_drains_share_one_pace(channel: UUID) -> None:
    rows = [[Due() for _ in range(30)] for _ in range(2)]
    delays = [delay for each in rows for delay in plan(channel, 80, each).delays.values()]
    apart = [later - earlier for earlier, later in pairwise(delays)]
    assert len(delays) > 30
    assert min(apart[:29] + apart[30:]) >= 1 / 80


def test_two_channels_do_not_share_theirs(channel: UUID) -> None:
    plan(channel, 1, [Due() for _ in range(5)])
    (delay,) = plan(new_id(), 1, [Due()]).delays.values()
    assert delay == 0


def test_slots_are_given_no_further_ahead_than_the_horizon(channel: UUID) -> None:
    given = plan(channel, 10, [Due() for _ in range(100)])
    assert given.waits == {}
    assert max(given.delays.values()) <= HORIZON_MS / 1000
    assert len(given.delays) < 10


def burst(channel: UUID, person: UUID, count: int) -> tuple[int, list[float]]:
    """Return how many of `count` messages to one person may be sent now, and how long the others
    wait."""
    gone, waits = 0, []
    for _ in range(count):
        given = plan(channel, 100_000, [Due(conversation_id=person)])
        gone += len(given.delays)
        waits += list(given.waits.values())
    return gone, waits


def test_a_pair_gets_45_at_once_and_then_one_each_six_seconds(channel: UUID) -> None:
    gone, waits = burst(channel, new_id(), 47)
    assert gone == 45
    assert len(waits) == 2
    assert all(4 < each <= 6 for each in waits)
    assert burst(channel, new_id(), 1)[0] == 1


def test_a_pair_keeps_its_limit_without_redis(channel: UUID, without_redis: None) -> None:
    gone, waits = burst(channel, new_id(), 46)
    assert gone == 45
    assert 4 < waits[0] <= 6


def test_a_pair_at_its_limit_takes_no_slot_from_others(channel: UUID) -> None:
    person = new_id()
    burst(channel, person, 45)
    rows = [Due(conversation_id=person), Due()]
    given = plan(channel, 100_000, rows)
    assert (set(given.waits), set(given.delays)) == ({rows[0].id}, {rows[1].id})


def rate_of(channel: UUID, rate: int) -> float:
    """Return the messages per second, by the distance of two slots."""
    first, second = list(plan(channel, rate, [Due(), Due()]).delays.values())
    return 1 / (second - first)


def test_a_provider_that_says_429_is_asked_half_as_fast_for_a_while(channel: UUID) -> None:
    before = rate_of(channel, 80)
    pacing.slow_down(channel)
    once = rate_of(channel, 80)
    pacing.slow_down(channel)
    assert rate_of(channel, 80) == pytest.approx(once, rel=0.05)
    redis_handle.client.delete(f"slowed:{channel}")
    pacing.slow_down(channel)
    twice = rate_of(channel, 80)
    assert once <= before / 1.9
    assert twice == pytest.approx(once / 2, rel=0.05)
    key = f"slow:{channel}"
    assert 0 < int(str(redis_handle.client.ttl(key))) <= pacing.SLOW_DOWN_SECONDS
    redis_handle.client.delete(key)
    assert rate_of(channel, 80) == pytest.approx(before, rel=0.05)


def test_an_emptied_redis_changes_nothing_but_the_memory(channel: UUID) -> None:
    burst(channel, new_id(), 5)
    redis_handle.client.flushdb()
    given = plan(channel, 80, [Due()])
    assert list(given.delays.values()) == [0]


def test_slowing_down_without_redis_is_no_error(channel: UUID, without_redis: None) -> None:
    pacing.slow_down(channel)
    assert len(plan(channel, 80, [Due()]).delays) == 1


def test_messages_that_were_held_up_leave_the_gate_one_by_one() -> None:
    gate, moments = Gate(), []
    for _ in range(3):
        while (moment := gate.pass_at(0.05)) > 0:
            time.sleep(max(0.0, moment - time.monotonic()))
        moments.append(time.monotonic())
    assert moments[-1] - moments[0] >= 2 * 0.05 - 2 * pacing.CATCH_UP_SECONDS


def test_a_gate_that_was_not_used_lets_one_pass_at_once() -> None:
    gate = Gate()
    assert gate.pass_at(60.0) == 0.0
    assert gate.pass_at(60.0) > time.monotonic() + 50
