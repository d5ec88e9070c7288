"""The text of a PDF, read in a process that may neither take long nor use much memory."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from app.knowledge.errors import MOST_CHARACTERS, MOST_PAGES, PDF_SECONDS, Unreadable

PROGRAM = Path(__file__).with_name("pdf_text.py")
WAIT_SECONDS = 90
"""The machine may be busy; a lease lasts longer."""

MEMORY = 400 * 1024 * 1024


def pages_of(raw: bytes) -> list[str]:
    """Return the text of each page. Raises Unreadable."""
    limits = map(str, (PDF_SECONDS, MEMORY, MOST_PAGES, MOST_CHARACTERS))
    try:
        done = subprocess.run(  # noqa: S603 (our own program)
            [sys.executable, "-I", str(PROGRAM), *limits],
            input=raw,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            timeout=WAIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreadable("too_slow") from None
    return _read_answer(done.returncode, done.stdout)


def _read_answer(status: int, output: bytes) -> list[str]:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        raise Unreadable("too_slow")
    if status != 0:
        raise Unreadable("damaged")
    answer = json.loads(output)
    if "error" in answer:
        raise Unreadable(answer["error"])
    pages: list[str] = answer["pages"]
    return pages
