"""The samples of processes that have ended.

Each process writes its samples to files of its own. Of those that ended, one file for each kind is
enough: without that, each recycled process leaves its files, until the disk is full.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

ENDED = 0
"""Stands for the process id in the name of the files of those that ended."""


def fold(folder: Path, pid: int) -> None:
    """Add the samples of a process that has ended to those of the others that ended."""
    with exclusive(folder):
        for path in folder.glob(f"*_{pid}.db"):
            _add(path, path.with_name(path.name.replace(f"_{pid}.db", f"_{ENDED}.db")))
            path.unlink()


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """While it lasts, no other process folds or reads: a reader would count samples twice."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _add(source: Path, target: Path) -> None:
    """Counters and histograms are sums, so they add up."""
    total = MmapedDict(str(target))  # type: ignore[no-untyped-call]
    for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(source)):  # type: ignore[no-untyped-call]
        total.write_value(key, total.read_value(key)[0] + value, timestamp)  # type: ignore[no-untyped-call]
    total.close()  # type: ignore[no-untyped-call]
