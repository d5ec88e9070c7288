"""Finds the processes that a test started."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def processes_of(folder: Path) -> dict[int, str]:
    """Return the command line, by process id, of every process that refers to the folder: in its
    command line, environment or working directory."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environ = (entry / "environ").read_bytes().decode(errors="replace")
            working_in = str((entry / "cwd").readlink())
            zombie = ") Z " in (entry / "stat").read_text()
        except OSError:
            continue
        if not zombie and any(str(folder) in text for text in (command, environ, working_in)):
            found[int(entry.name)] = command
    return found


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether the condition becomes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
