"""The threads that claim and record are shared evenly between tenants."""

import threading
from functools import partial
from uuid import UUID

from app.delivery.fair_pool import FairPool

CROWD, PROMPT = UUID(int=1), UUID(int=2)


def _wait_for(opened: threading.Event) -> None:
    assert opened.wait(5)


def test_one_tenants_work_does_not_stand_behind_all_of_anothers() -> None:
    desk = FairPool(1)
    order: list[tuple[str, int]] = []
    opened, done = threading.Event(), threading.Event()
    desk.submit(CROWD, partial(_wait_for, opened))
    for number in range(80):
        desk.submit(CROWD, partial(order.append, ("crowd", number)))
    desk.submit(PROMPT, partial(order.append, ("prompt", 0)))
    desk.submit(CROWD, done.set)
    opened.set()
    assert done.wait(5)
    assert order.index(("prompt", 0)) <= 1
    assert [number for who, number in order if who == "crowd"] == list(range(80))


def test_many_threads_run_each_piece_of_work_once() -> None:
    desk, lock, ran, done = FairPool(4), threading.Lock(), [], threading.Event()

    def work(number: int) -> None:
        with lock:
            ran.append(number)
            if len(ran) == 1000:
                done.set()

    for number in range(1000):
        desk.submit(UUID(int=number % 7), partial(work, number))
    assert done.wait(10)
    assert sorted(ran) == list(range(1000))
