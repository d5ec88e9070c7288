"""Run a program that dies with its parent. Started as a script: see `launch.spawn`.

Arguments: signal number, user id (-1 keeps the user), group id, parent's process id, program, its
arguments. This is a script of its own, and not a `preexec_fn`, because Python may not run safely
between fork and exec when threads exist; it imports little, since each start waits for it
(about 20 ms).
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    death_signal, user_id, group_id, parent_id = (int(value) for value in argv[:4])
    program = argv[4:]
    if user_id >= 0:
        os.setgroups([])
        os.setgid(group_id)
        os.setuid(user_id)
    # The kernel forgets the death signal when the user changes, so this comes afterwards.
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
        if os.getppid() != parent_id:
            raise SystemExit("the process that started this one is gone")
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
