"""gunicorn's settings. It reads this file from the folder that it is started in."""

import os
from pathlib import Path
from typing import Any

from app.metrics import exited

worker_class = "app.server.worker.BufferedWorker"
threads = int(os.environ.get("WEB_THREADS", "32"))
keepalive = 75
# The most that gunicorn allows: a query of permitted length, percent-encoded, is longer than its
# default of 4094, and would be refused with a page of HTML.
limit_request_line = 8190
graceful_timeout = 30
control_socket_disable = True
if Path("/dev/shm").is_dir():  # noqa: S108 - the heartbeat's file; a disk would hold the worker up
    worker_tmp_dir = "/dev/shm"  # noqa: S108


def child_exit(_server: Any, worker: Any) -> None:
    """A worker has ended: keep its counts, not its files."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if folder:
        exited.fold(Path(folder), worker.pid)
