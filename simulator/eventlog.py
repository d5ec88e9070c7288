"""The log: everything that crossed the wire, in order, for tests to compare with."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

#: json.dumps would build an encoder for each of the thousands of entries a second.
_encode: Final = json.JSONEncoder(ensure_ascii=False).encode

_LONGEST_TEXT: Final = 20_000


@dataclass(frozen=True, slots=True)
class Entry:
    n: int
    kind: str
    line: bytes


class EventLog:
    """A bounded list of entries, stored as encoded lines, because dicts would need far more
    memory."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: list[Entry] = []
        self._next = 1
        self.counts: Counter[str] = Counter()

    def add(self, kind: str, **values: Any) -> int:
        n = self._next
        self._next += 1
        entry = {"n": n, "at": round(time.time(), 6), "kind": kind, **values}
        self._entries.append(Entry(n, kind, _encode(entry).encode()))
        self.counts[kind] += 1
        if len(self._entries) > self._size + self._size // 10:
            del self._entries[: len(self._entries) - self._size]
        return n

    @property
    def last(self) -> int:
        return self._next - 1

    def after(self, n: int, kinds: frozenset[str], limit: int | None = None) -> Iterator[bytes]:
        """Return the encoded entries with a number above n, oldest first."""
        if not self._entries:
            return
        start = max(0, n + 1 - self._entries[0].n)
        given = 0
        for index in range(start, len(self._entries)):
            if limit is not None and given >= limit:
                return
            entry = self._entries[index]
            if not kinds or entry.kind in kinds:
                given += 1
                yield entry.line

    def clear(self) -> None:
        """Remove the entries; numbers continue, so that a reader's `after` stays valid."""
        self._entries.clear()
        self.counts.clear()


def fingerprint(key: str) -> str:
    """Return what stands for an API key in a log."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def shortened(value: Any) -> Any:
    """Return a body for the log, in which long texts, such as pictures, are cut."""
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return f"{value[:200]}… ({len(value)} characters)"
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, dict):
        return {name: shortened(item) for name, item in value.items()}
    return value
