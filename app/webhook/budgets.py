"""How many webhooks one process takes in a minute: of strangers, and of one channel.

They are counted in this process's memory, so that counting costs nothing and needs nobody.
"""

import threading
import time
from collections.abc import Hashable
from uuid import UUID

from cachetools import TTLCache

from app.errors import Unavailable

WINDOW_SECONDS = 60
MOST_STRANGERS = 60
"""Webhooks of one network that name no channel of ours; after these, only channels that this
process knows already are looked for."""
MOST_EVENTS = 60_000
"""Events of one channel. A channel that sends 80 messages a second has about 15,000 receipts."""
MOST_COUNTED = 10_000


class Budget:
    """Counts in windows of a minute; the oldest counters are dropped when there are too many."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._counts: TTLCache[tuple[Hashable, int], int] = TTLCache(MOST_COUNTED, WINDOW_SECONDS)
        self._lock = threading.Lock()

    def spend(self, who: Hashable, number: int = 1) -> bool:
        """Count, and return whether that was within the budget."""
        key = self._key(who)
        with self._lock:
            count = self._counts.get(key, 0) + number
            self._counts[key] = count
        return count <= self.most

    def is_spent(self, who: Hashable) -> bool:
        with self._lock:
            return self._counts.get(self._key(who), 0) >= self.most

    def _key(self, who: Hashable) -> tuple[Hashable, int]:
        return who, int(time.monotonic()) // WINDOW_SECONDS


strangers = Budget(MOST_STRANGERS)
events = Budget(MOST_EVENTS)


def spend_events(channel_id: UUID, number: int) -> None:
    """Raises Unavailable, which providers answer with another try, when a channel gets too many."""
    if not events.spend(channel_id, number):
        raise Unavailable(
            "This channel gets more events than the service takes. They are accepted again within "
            "a minute.",
            code="overloaded",
        )
