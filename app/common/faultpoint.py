"""Named places where a test may kill, freeze or break this process; no-ops otherwise.

`RECADO_FAULTS="after_provider_accept=kill:0.01,before_commit=hang:5"` sets name=action, with a
probability (kill, error) or seconds (hang). It is refused outside development and tests.
"""

import os
import random
import signal
import time

from app import config

VARIABLE = "RECADO_FAULTS"

FAULT_POINTS = (
    "send_before_commit",
    "send_after_commit",
    "claim_after_commit",
    "before_provider_call",
    "after_provider_accept",
    "record_after_commit",
    "inbox_before_commit",
    "inbox_after_commit",
    "apply_before_commit",
    "apply_after_commit",
    "document_claimed",
    "chunks_claimed",
    "turn_claimed",
    "turn_reserved",
    "turn_call_noted",
    "turn_call_made",
    "turn_thought",
    "turn_before_commit",
    "turn_after_commit",
)


class InjectedFault(Exception):
    """Raised by the action `error`."""


def faultpoint(name: str) -> None:
    """Do what RECADO_FAULTS says for `name`."""
    plan = os.environ.get(VARIABLE)
    if plan and not config.current().is_production:
        for entry in plan.split(","):
            point, _, action = entry.partition("=")
            if point.strip() == name:
                _act(name, *action.partition(":")[::2])


def _act(name: str, action: str, argument: str) -> None:
    amount = float(argument or 1)
    if action == "hang":
        time.sleep(amount)
    elif random.random() < amount:  # noqa: S311 - chance, no secret
        # Unbuffered, because this may be the last line before the process dies, and the test counts
        # it.
        os.write(2, f"fault point {name}: {action}\n".encode())
        if action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        raise InjectedFault(action)
