"""Runs a program that dies with its parent. Started as a script: see `launch.spawn`.

Arguments: signal number, user id (-1 keeps the user), group id, parent's process id, niceness,
program, its arguments. This is a script of its own, and not a `preexec_fn`, because Python may not
run safely between fork and exec when threads exist. It imports little, because each start waits for
it (about 20 ms).
"""

import contextlib
import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    death_signal, user_id, group_id, parent_id, niceness = (int(value) for value in argv[:5])
    program = argv[5:]
    yield_to_others(niceness)
    if user_id >= 0:
        os.setgroups([])
        os.setgid(group_id)
        os.setuid(user_id)
    # The kernel clears the death signal when the user changes, so this comes afterwards.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent_id:
            raise SystemExit("the process that started this one is gone")
    os.execv(program[0], program)


def yield_to_others(niceness: int) -> None:
    """Lower the priority of this process and, on Linux, of its session.

    Where the kernel shares the processor between sessions (autogroup), the niceness of a process
    counts within its session only.
    """
    if niceness:
        os.nice(niceness)
        with contextlib.suppress(OSError):
            session = os.open("/proc/self/autogroup", os.O_WRONLY)
            os.write(session, str(niceness).encode())
            os.close(session)


if __name__ == "__main__":
    main(sys.argv[1:])
