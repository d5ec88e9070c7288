"""The one protocol of all drains: one holder at a time, a slice of time, then ring again.

A drain is a task that does whatever is due for one subject: a channel, the inbox of a tenant. The
rows say what is due; the task may be lost, repeated or late.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from celery.signals import worker_shutting_down

from app.common import leases
from app.tasks.ring import answered, send

stopping = threading.Event()
"""Set when this process has to end: drains begin nothing new and finish what is under way."""


@worker_shutting_down.connect
def stop(**_: Any) -> None:
    stopping.set()


def drain(
    task: str,
    *ids: Any,
    step: Callable[[], bool],
    is_due: Callable[[], bool],
    slice_seconds: float,
) -> None:
    """Repeat `step`, which does a piece of the due work, while it returns True.

    Does nothing while another worker drains the same subject. When the slice ends first, the task
    is rung again and waits its turn behind other subjects. Whoever rings while the lease is held
    is turned away, so `is_due` looks once more after the lease was given back.
    """
    while not stopping.is_set():
        with leases.hold(name_of(task, *ids)) as is_mine:
            if not is_mine:
                return
            answered(task, *ids)
            has_more = _slice(step, time.monotonic() + slice_seconds)
        answered(task, *ids)
        if has_more:
            send(task, *ids)
            return
        if not is_due():
            return


def name_of(task: str, *ids: Any) -> str:
    """The name of the lease under which a subject is drained."""
    return ":".join(map(str, (task, *ids)))


def _slice(step: Callable[[], bool], until: float) -> bool:
    """Whether more was due when time was up."""
    while step():
        if time.monotonic() >= until or stopping.is_set():
            return True
    return False
