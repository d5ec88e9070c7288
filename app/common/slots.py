"""Places for requests that wait for something outside.

A request that waits occupies a thread of the web service and nothing else, so only a few may wait
at once: the other threads answer everybody else.
"""

import threading
from collections import Counter
from uuid import UUID

from app import config


class WaitingSlots:
    """The requests that wait in this process: at most a quarter of its threads, and half of those
    for one tenant."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[UUID] = Counter()

    def take(self, tenant_id: UUID) -> bool:
        """Take a place if one is free; the caller must give it back."""
        most = max(1, config.current().web_threads // 4)
        with self._lock:
            if self._taken.total() >= most or self._taken[tenant_id] >= max(1, most // 2):
                return False
            self._taken[tenant_id] += 1
            return True

    def give_back(self, tenant_id: UUID) -> None:
        with self._lock:
            self._taken[tenant_id] -= 1
            if not self._taken[tenant_id]:
                del self._taken[tenant_id]


places = WaitingSlots()
