"""The empty Flask route, served as the web service is."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat

from bench import processes
from bench.load import Outcome, Shot, at_rate, flat_out
from dev import ports
from dev.processes import WEB_THREADS, WEB_WORKERS

START_SECONDS = 15.0


async def empty_route(body: bytes, connections: int, seconds: float) -> Outcome:
    """Send the same POST to a route that does nothing."""
    with _serving() as url:
        shot = Shot(url, body, {"Content-Type": "application/json"})
        return await flat_out(repeat(shot), connections, seconds)


async def empty_cost(rate: float, seconds: float) -> float:
    """Return the milliseconds of CPU of each such POST, at so many a second."""
    with _serving() as url:
        shots = repeat(Shot(url, b"", {"Content-Type": "application/json"}))
        with processes.cost() as cost:
            outcome = await at_rate(shots, rate, seconds)
    return 1000 * cost.seconds.get("empty", 0.0) / outcome.good


@contextmanager
def _serving() -> Iterator[str]:
    port = ports.free_port()
    url = f"http://{ports.HOST}:{port}/"
    argv = [
        *(sys.executable, "-m", "gunicorn", "bench.empty:app", "--bind", f"{ports.HOST}:{port}"),
        *("--workers", str(WEB_WORKERS), "--threads", str(WEB_THREADS), "--log-level", "warning"),
    ]
    process = subprocess.Popen(argv)
    try:
        _wait_until_it_answers(url)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310 - our own loopback URL
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("The empty Flask route did not start.")
