"""A program that reads a PDF from its input and writes its text as JSON, in a process of its own.

Whoever made the PDF may want to harm its reader, so this process gets little time and memory, no
files, no children and no environment. It knows nothing of the service. It is run as a file, and
imports nothing from `app`.

    python -I pdf_text.py SECONDS BYTES PAGES CHARACTERS

It writes `{"pages": [text, …]}` or `{"error": code}`.
"""

import contextlib
import json
import logging
import resource
import sys
from io import BytesIO
from typing import Any

UNREADABLE = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError),
    *(AssertionError, NotImplementedError, OSError),
)
"""What the library raises in addition to its own errors, when a PDF is not as it should be."""


def main() -> None:
    seconds, memory, most_pages, most_characters = map(int, sys.argv[1:5])
    _limit(seconds, memory)
    try:
        answer = _read(sys.stdin.buffer.read(), most_pages, most_characters)
    except MemoryError:
        answer = {"error": "too_large"}
    sys.stdout.write(json.dumps(answer))


def _limit(seconds: int, memory: int) -> None:
    for kind, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        # Not every system has every limit, and none may be raised.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (most, most))


def _read(raw: bytes, most_pages: int, most_characters: int) -> dict[str, Any]:
    # Under the limits, and in this process only.
    import pypdf  # noqa: PLC0415

    logging.disable()
    unreadable = (pypdf.errors.PyPdfError, *UNREADABLE)
    try:
        reader = pypdf.PdfReader(BytesIO(raw))
        # Many have a password for changes only, and are opened by an empty one.
        if reader.is_encrypted and not reader.decrypt(""):
            return {"error": "encrypted"}
        if len(reader.pages) > most_pages:
            return {"error": "too_many_pages"}
    except unreadable:
        return {"error": "damaged"}
    pages: list[str] = []
    characters = failed = 0
    for number in range(len(reader.pages)):
        try:
            pages.append(reader.pages[number].extract_text())
        except pypdf.errors.LimitReachedError:
            return {"error": "too_large"}
        except unreadable:
            failed += 1
            pages.append("")
        characters += len(pages[-1])
        if characters > most_characters:
            return {"error": "too_long"}
    if failed and failed == len(pages):
        return {"error": "damaged"}
    return {"pages": pages}


if __name__ == "__main__":
    main()
