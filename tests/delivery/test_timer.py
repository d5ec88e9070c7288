"""The timer: every action at its time, even if another one fails."""

import threading
import time

from app.delivery.timer import Timer


def test_actions_run_in_the_order_of_their_time() -> None:
    timer, found, done = Timer(), [], threading.Event()
    now = time.monotonic()
    timer.at(now + 0.15, done.set)
    timer.at(now + 0.1, lambda: found.append("later"))
    timer.at(now + 0.05, lambda: found.append("soon"))
    timer.at(now - 1.0, lambda: found.append("at once"))
    assert done.wait(5)
    assert found == ["at once", "soon", "later"]


def test_an_action_that_fails_stops_no_other() -> None:
    timer, done = Timer(), threading.Event()

    def fail() -> None:
        raise ZeroDivisionError

    timer.at(0.0, fail)
    timer.at(time.monotonic() + 0.01, done.set)
    assert done.wait(5)


def test_an_earlier_action_does_not_wait_for_a_later_one() -> None:
    timer, done = Timer(), threading.Event()
    timer.at(time.monotonic() + 60, done.set)
    soon = threading.Event()
    timer.at(time.monotonic() + 0.02, soon.set)
    assert soon.wait(5)
    assert not done.is_set()


def test_ten_thousand_actions_need_one_thread() -> None:
    timer, left, done = Timer(), [10_000], threading.Event()

    def count() -> None:
        left[0] -= 1
        if not left[0]:
            done.set()

    before = threading.active_count()
    moment = time.monotonic() + 0.2
    for _ in range(10_000):
        timer.at(moment, count)
    assert threading.active_count() <= before + 1
    assert done.wait(20)
