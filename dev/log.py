"""One log for all processes: each line after the name of the process that wrote it."""

import os
import sys
import threading
from collections import deque
from collections.abc import Mapping
from typing import IO, TextIO

REMEMBERED_LINES = 20
_COLOURS = (36, 32, 33, 35, 34, 96, 92, 95)
_NOTICE_COLOUR = 1
_PROBLEM_COLOUR = 31


class MergedLog:
    """Thread-safe. Uses colors only on a terminal, and never if NO_COLOR is set (no-color.org)."""

    def __init__(
        self, stream: TextIO, width: int = 9, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._stream = stream
        self._width = width
        self._coloured = stream.isatty() and not environ.get("NO_COLOR")
        self._somebody_reads = True
        self._lock = threading.Lock()
        self._last: dict[str, deque[str]] = {}
        self._colour_of: dict[str, int] = {}

    def line(self, name: str, text: str) -> None:
        """Write one line of a process and remember it for `last_lines`."""
        with self._lock:
            lines = self._last.setdefault(name, deque(maxlen=REMEMBERED_LINES))
            lines.append(text)
            self._write(f"{self._prefix(name)} {text}")

    def notice(self, text: str) -> None:
        """Write a message of the stack itself, which may have several lines."""
        with self._lock:
            self._write(self._painted(text, _NOTICE_COLOUR))

    def problem(self, text: str) -> None:
        with self._lock:
            self._write(self._painted(text, _PROBLEM_COLOUR))

    def last_lines(self, name: str) -> str:
        with self._lock:
            return "\n".join(f"  {line}" for line in self._last.get(name, ()))

    def follow(self, name: str, output: IO[bytes]) -> threading.Thread:
        """Copy a process's output line by line, in a thread that ends with the output."""
        thread = threading.Thread(target=self._copy, args=(name, output), daemon=True)
        thread.start()
        return thread

    def _copy(self, name: str, output: IO[bytes]) -> None:
        with output:
            for raw in output:
                text = raw.decode("utf-8", errors="replace").rstrip()
                if text:
                    self.line(name, text)

    def _prefix(self, name: str) -> str:
        position = len(self._colour_of) % len(_COLOURS)
        colour = self._colour_of.setdefault(name, _COLOURS[position])
        return self._painted(f"{name:<{self._width}} |", colour)

    def _painted(self, text: str, colour: int) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._coloured else text

    def _write(self, text: str) -> None:
        if not self._somebody_reads:
            return
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except OSError:
            # `make run | head`, or a closed terminal. The processes must keep running, and above
            # all must still be stopped.
            self._somebody_reads = False


def standard_log() -> MergedLog:
    return MergedLog(sys.stdout)
