"""The protocol of drains: one at a time, one time slice, enqueue again; no work is overlooked."""

import threading
from typing import Any

import pytest
from flask import Flask

from app.common import leases
from app.common.ids import new_id
from app.tasks import drain as drains
from app.tasks.drain import drain, name_of

TASK = "tests.drain"
Sent = list[tuple[Any, ...]]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, app: Flask) -> Sent:
    found: Sent = []
    monkeypatch.setattr(drains, "send", lambda *what: found.append(what))
    return found


def never() -> bool:
    return False


def test_it_repeats_the_step_until_nothing_is_due(sent: Sent) -> None:
    left = [True, True, False]
    drain(TASK, new_id(), step=lambda: left.pop(0), is_due=never, slice_seconds=5)
    assert left == []
    assert sent == []


def test_work_that_never_ends_gives_its_thread_back_and_rings(sent: Sent) -> None:
    subject = new_id()
    drain(TASK, subject, step=lambda: True, is_due=never, slice_seconds=0.05)
    assert sent == [(TASK, subject)]


def test_a_second_one_does_nothing_while_the_first_works(sent: Sent) -> None:
    subject = new_id()
    with leases.hold(name_of(TASK, subject)):
        drain(TASK, subject, step=pytest.fail, is_due=never, slice_seconds=5)
    steps = [False]
    drain(TASK, subject, step=steps.pop, is_due=never, slice_seconds=5)
    assert steps == []


def test_what_comes_while_the_lease_is_held_is_done_afterwards(sent: Sent) -> None:
    steps, looks = [False, False], [False, True]
    drain(TASK, new_id(), step=steps.pop, is_due=looks.pop, slice_seconds=5)
    assert (steps, looks) == ([], [])


def test_a_step_that_fails_leaves_no_lease(sent: Sent) -> None:
    subject = new_id()

    def fail() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drain(TASK, subject, step=fail, is_due=never, slice_seconds=5)
    with leases.hold(name_of(TASK, subject)) as is_free:
        assert is_free


def test_a_process_that_has_to_end_begins_nothing(
    sent: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = threading.Event()
    stopping.set()
    monkeypatch.setattr(drains, "stopping", stopping)
    drain(TASK, new_id(), step=pytest.fail, is_due=never, slice_seconds=5)
    assert sent == []
