"""One thread that starts actions at a given time, so that no other thread has to sleep."""

import heapq
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)


@dataclass(order=True)
class _Entry:
    at: float
    number: int
    action: Callable[[], None] = field(compare=False)


class Timer:
    """Runs actions at moments of the monotonic clock. An action must not block."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._number = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Run `action` at `moment` (`time.monotonic()`), or at once when that has passed."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="timer", daemon=True)
                self._thread.start()
            self._number += 1
            heapq.heappush(self._entries, _Entry(moment, self._number, action))
            if self._entries[0].number == self._number:
                self._changed.notify()

    def _run(self) -> None:
        while True:
            action = self._next()
            try:
                action()
            except Exception:
                # One failing action must not stop the others.
                log.exception("timer_action_failed")

    def _next(self) -> Callable[[], None]:
        """Wait until the first entry is due."""
        with self._changed:
            while True:
                left = self._entries[0].at - time.monotonic() if self._entries else None
                if left is not None and left <= 0:
                    return heapq.heappop(self._entries).action
                self._changed.wait(left)
