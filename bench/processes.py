"""The processes of the stack, read from /proc: their CPU and memory."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROLES = {
    "web": (b"wsgi:app",),
    "worker": (b"celery", b"worker"),
    "beat": (b"celery", b"beat"),
    "simulator": (b"simulator",),
    "load": (b"bench.measure",),
    "empty": (b"bench.empty:app",),
}
"""A part of the command line of each kind of process. The databases are known by their program."""

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class Cost:
    """Seconds of CPU by role, in one measurement; empty on a system without /proc."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def each(self, count: int) -> str:
        """Return the milliseconds of CPU that each of `count` costs, by role, the highest first."""
        if not count:
            return ""
        ranked = sorted(self.seconds.items(), key=lambda item: -item[1])
        cells = [f"{role} {1000 * spent / count:.1f}" for role, spent in ranked if spent]
        return f"ms of CPU each: {', '.join(cells)}"


@contextmanager
def cost() -> Iterator[Cost]:
    """Measure what the stack's processes use during the block."""
    found = Cost()
    before = _spent()
    yield found
    after = _spent()
    found.seconds = {role: after[role] - before[role] for role in after}


def worker_memory_mb() -> float:
    """Return the memory of the stack's workers together, each page counted once; 0 if unknown."""
    return sum(_held_mb(each) for each, role in _members() if role == "worker")


def _spent() -> Counter[str]:
    spent: Counter[str] = Counter()
    for process_id, role in _members():
        fields = _fields(process_id)
        if fields:
            # user and system time of the process and of its children that have ended.
            spent[role] += sum(map(float, fields[11:15])) / TICKS_A_SECOND  # type: ignore[assignment]
    return spent


def _members() -> Iterator[tuple[int, str]]:
    for process_id in _descendants(os.getppid()):
        role = _role(process_id)
        if role:
            yield process_id, role


def _descendants(ancestor: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        fields = _fields(int(folder.name))
        if fields:
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found: list[int] = []
    waiting = [ancestor]
    while waiting:
        for child in children.get(waiting.pop(), []):
            found.append(child)
            waiting.append(child)
    return found


def _fields(process_id: int) -> list[str]:
    """Return the fields behind the name in stat (which ends with the last parenthesis): state,
    parent, …"""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _role(process_id: int) -> str | None:
    try:
        arguments = Path(f"/proc/{process_id}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    program = arguments[0].rpartition(b"/")[2]
    if program.startswith(b"postgres"):
        return "Postgres"
    if program.startswith(b"valkey"):
        return "Valkey"
    for role, words in ROLES.items():
        if all(word in arguments for word in words):
            return role
    return None


def _held_mb(process_id: int) -> float:
    try:
        lines = Path(f"/proc/{process_id}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
