"""A few threads for short work, shared fairly between tenants."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

Work = Callable[[], None]


class FairPool:
    """Runs the work of each tenant in order, and serves the tenants in turn.

    A tenant with many channels has much work at once; the only message of another tenant must not
    wait for all of it. Work must not raise.
    """

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="desk")
        self._lock = threading.Lock()
        self._lines: OrderedDict[UUID, deque[Work]] = OrderedDict()

    def submit(self, tenant_id: UUID, work: Work) -> None:
        with self._lock:
            self._lines.setdefault(tenant_id, deque()).append(work)
        self._threads.submit(self._run_next)

    def _run_next(self) -> None:
        with self._lock:
            tenant_id, line = self._lines.popitem(last=False)
            work = line.popleft()
            if line:
                self._lines[tenant_id] = line
        work()
