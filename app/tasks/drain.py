"""The protocol that every drain follows: hold the lease, work for one time slice, enqueue again.

A drain is a task that does whatever is due for one subject: a channel, or the inbox of a tenant.
The rows say what is due; the task may be lost, repeated or late.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from celery.signals import worker_shutting_down

from app.common import leases
from app.tasks.ring import answered, send

stopping = threading.Event()
"""Set when this process has to end: drains begin nothing new and finish what is in progress."""


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

    Does nothing while another worker holds the lease of the same subject. When the time slice ends
    first, the task is enqueued again, behind the tasks of other subjects. A task that starts while
    the lease is held does nothing, so `is_due` is checked again after the lease is released.
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
    """Return the name of the lease of a subject."""
    return ":".join(map(str, (task, *ids)))


def _slice(step: Callable[[], bool], until: float) -> bool:
    """Work until the time slice ends; return whether more was due then."""
    while step():
        if time.monotonic() >= until or stopping.is_set():
            return True
    return False
