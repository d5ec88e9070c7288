"""What a person hands in: a text, or a file whose text has to be found out."""

import codecs
import hashlib
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any

from app.errors import InvalidInput
from app.knowledge.errors import MOST_CHARACTERS, REASONS
from app.models import DocumentKind

LARGEST_FILE = 5 * 1024 * 1024
LONGEST_TITLE = 200

KINDS = {
    ".txt": DocumentKind.TEXT,
    ".md": DocumentKind.MARKDOWN,
    ".markdown": DocumentKind.MARKDOWN,
    ".pdf": DocumentKind.PDF,
}
PDF_MARK = b"%PDF-"
MARK_WITHIN = 1024
"""A PDF begins with its mark, but some programs write a little before it."""

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""That of UTF-32 begins with that of UTF-16."""

READ_FOR_ZEROS = 2_000
MANY = 0.3
CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
MOST_CONTROLS = 0.01
"""Characters without meaning in a text; a file with more of them is no text."""

NOT_TEXT = "This is no text in UTF-8, UTF-16 or Windows-1252. Save it as UTF-8, and try again."
EMPTY = "There is no text in it."


@dataclass(frozen=True)
class Content:
    """What was handed in. `text` is None for a PDF."""

    kind: DocumentKind
    raw: bytes
    text: str | None

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self.raw).digest()


def content_of(body: dict[str, Any]) -> Content:
    """Return the content of a body `{text}` or `{file: (name, bytes)}`. Raises InvalidInput."""
    return from_file(*body["file"]) if "file" in body else from_text(body["text"])


def change_of(body: dict[str, Any]) -> Content | None:
    """Return the content of such a body; None if it has none. Raises InvalidInput."""
    return content_of(body) if body.keys() & {"file", "text"} else None


def from_text(text: str) -> Content:
    """Raises InvalidInput."""
    clean = tidy(text)
    _check(clean, "text")
    return Content(DocumentKind.TEXT, clean.encode(), clean)


def from_file(name: str, raw: bytes) -> Content:
    """Raises InvalidInput if this is no text and no PDF, or not what its name says."""
    kind = KINDS.get(PureWindowsPath(name).suffix.lower())
    if kind is None:
        raise _wrong("Upload a file whose name ends with .txt, .md or .pdf.")
    if len(raw) > LARGEST_FILE:
        raise _wrong(f"At most {LARGEST_FILE // 1024**2} MB. Upload it in parts.")
    if kind is DocumentKind.PDF:
        if PDF_MARK not in raw[:MARK_WITHIN]:
            raise _wrong("This is no PDF.")
        return Content(kind, raw, None)
    if raw.startswith(PDF_MARK):
        raise _wrong("This is a PDF: let its name end with .pdf.")
    text = decode(raw)
    if text is None:
        raise _wrong(NOT_TEXT)
    clean = tidy(text)
    _check(clean, "file")
    return Content(kind, raw, clean)


def title_of(name: str) -> str:
    """Return a title from the name of a file, whose folders may be those of Windows."""
    return " ".join(tidy(PureWindowsPath(name).stem).split())[:LONGEST_TITLE]


def decode(raw: bytes) -> str | None:
    """Return the text of a file; None if it is no text."""
    for encoding in _encodings(raw):
        try:
            text = raw.decode(encoding)
        except UnicodeError:
            continue
        # An encoding is wrong that makes a text of other characters than texts have.
        if "\x00" not in text and len(CONTROLS.findall(text)) <= MOST_CONTROLS * len(text):
            return text
    return None


def tidy(text: str) -> str:
    """Return the text in composed characters, without controls and halves of surrogate pairs."""
    composed = unicodedata.normalize("NFC", text.removeprefix("\ufeff"))
    return CONTROLS.sub("", composed).encode(errors="ignore").decode()


def _encodings(raw: bytes) -> Iterator[str]:
    """Yield the encodings that a text may have, the likeliest first."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if raw.startswith(mark):
            yield encoding
            return
    yield "utf-8"
    # UTF-16 without a mark: every other byte of a Western text is zero.
    read = raw[:READ_FOR_ZEROS]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if read[first::2].count(0) > MANY * len(read) / 2 and not read[1 - first :: 2].count(0):
            yield encoding
    yield "cp1252"


def _check(text: str, field: str) -> None:
    if not any(map(str.isalnum, text)):
        raise InvalidInput({field: [EMPTY]})
    if len(text) > MOST_CHARACTERS:
        raise InvalidInput({field: [REASONS["too_long"]]})


def _wrong(reason: str) -> InvalidInput:
    return InvalidInput({"file": [reason]})
