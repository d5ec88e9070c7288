"""`python -m bench`: start a fresh stack on free ports, run the measurements, and remove
everything.

The measurements run in a process of their own, so that reading the stack's log does not slow them.
"""

import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from types import FrameType

from dev.binaries import temporary_folder
from dev.errors import DevError
from dev.log import MergedLog
from dev.settings import PROJECT, StackSettings, temporary
from dev.stack import Stack
from dev.supervisor import Interrupted

SIMULATOR = {
    # Thousands of made-up people: each may be written to, and none of them reads.
    "SIMULATOR_WINDOW": "open",
    "SIMULATOR_AUTO_READ": "off",
}


def main(arguments: list[str]) -> int:
    folder = temporary_folder("bench")
    log_path = folder / "stack.log"
    code = 1
    settings = temporary(folder)
    settings = replace(settings, environ={**settings.environ, **SIMULATOR})
    try:
        with log_path.open("w", encoding="utf-8") as file:
            code = _measure_beside(settings, MergedLog(file), arguments)
    except DevError as error:
        print(error, file=sys.stderr)
    finally:
        if code:
            last = log_path.read_text(encoding="utf-8").splitlines()[-60:]
            print("The log of the stack ends with:", *last, sep="\n", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
    return code


def _measure_beside(settings: StackSettings, log: MergedLog, arguments: list[str]) -> int:
    stack = Stack(settings, log)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stack.supervisor.stop_asked.set()

    signal.signal(signal.SIGTERM, on_signal)
    command = [sys.executable, "-m", "bench.measure", *arguments]
    try:
        stack.start()
        return subprocess.run(command, env=dict(stack.env), check=False, cwd=PROJECT).returncode
    except (Interrupted, KeyboardInterrupt):
        return 130
    finally:
        stack.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
