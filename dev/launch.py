"""Starts programs so that none of them outlives the process that started it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dev.errors import DevError

_EXEC_BOUND = Path(__file__).with_name("exec_bound.py")


@dataclass(frozen=True)
class Account:
    """A user of the operating system, under whom a server is to run."""

    user_id: int
    group_id: int


@dataclass(frozen=True)
class Launch:
    """How to start one program.

    `death_signal` is what the kernel sends to it when the starting process disappears (Linux only).
    It goes to the program itself, not to its children: choose one on which it ends them.
    `niceness`: from 0 to 19, as for nice(1).
    """

    argv: Sequence[str | Path]
    env: Mapping[str, str]
    cwd: Path
    death_signal: signal.Signals = signal.SIGKILL
    account: Account | None = None
    niceness: int = 0


def spawn(
    launch: Launch, *, output: int | IO[bytes] | None = None, stdin: int | None = None
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, with its standard error joined to `output`.

    In a session of its own it does not receive Ctrl-C from the terminal: whoever starts it also
    stops it, in the right order. Call this from the main thread, because Linux sends the death
    signal when the *thread* that started the program ends.

    Raises DevError if the program does not exist.
    """
    program = shutil.which(str(launch.argv[0]), path=launch.env.get("PATH", os.defpath))
    if program is None:
        raise DevError(f"The program {launch.argv[0]} was not found.")
    account = launch.account or Account(-1, -1)
    bound = [
        int(launch.death_signal),
        account.user_id,
        account.group_id,
        os.getpid(),
        launch.niceness,
    ]
    return subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", str(_EXEC_BOUND)),
            *(str(value) for value in bound),
            *(program, *(str(part) for part in launch.argv[1:])),
        ],
        env=dict(launch.env),
        cwd=launch.cwd,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=output,
        stderr=subprocess.STDOUT if output is not None else None,
        start_new_session=True,
    )


def stop(
    process: subprocess.Popen[bytes], steps: Sequence[tuple[signal.Signals, float]]
) -> signal.Signals | None:
    """Send each signal in turn and wait its seconds, then send SIGKILL.

    Returns the signal after which the process ended, or None if it had already ended.
    """
    if process.poll() is not None:
        return None
    for number, seconds in steps:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return number
    process.kill()
    process.wait()
    return signal.SIGKILL
