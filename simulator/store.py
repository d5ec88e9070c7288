"""Optional SQLite copy of the simulator's state, written with a delay: a SIGKILL may lose half a
second."""

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Iterator
from typing import Any, Protocol

_SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=OFF;
CREATE TABLE IF NOT EXISTS records (
    kind TEXT, key TEXT, n INTEGER, value TEXT, PRIMARY KEY (kind, key)
);
CREATE TABLE IF NOT EXISTS blobs (sid TEXT PRIMARY KEY, data BLOB);
"""
_FLUSH_EVERY = 0.5


class Storable(Protocol):
    def to_json(self) -> dict[str, Any]: ...


class Store:
    """With `path` None it keeps media in memory and stores nothing else."""

    def __init__(self, path: str | None) -> None:
        self._db: sqlite3.Connection | None = None
        self._dirty: dict[tuple[str, str], Storable | dict[str, Any] | None] = {}
        self._blobs: dict[str, bytes] = {}
        self._writing = asyncio.Lock()
        if path:
            self._db = sqlite3.connect(path, check_same_thread=False)
            self._db.executescript(_SCHEMA)

    def load(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if self._db is not None:
            for kind, value in self._db.execute("SELECT kind, value FROM records ORDER BY n"):
                yield kind, json.loads(value)

    def put(self, kind: str, key: str, record: Storable | dict[str, Any]) -> None:
        if self._db is not None:
            self._dirty[kind, key] = record

    def remove(self, kind: str, key: str) -> None:
        if self._db is not None:
            self._dirty[kind, key] = None

    def put_blob(self, sid: str, data: bytes) -> None:
        if self._db is None:
            self._blobs[sid] = data
        else:
            self._db.execute("INSERT OR REPLACE INTO blobs VALUES (?, ?)", (sid, data))

    def blob(self, sid: str) -> bytes | None:
        if self._db is None:
            return self._blobs.get(sid)
        row = self._db.execute("SELECT data FROM blobs WHERE sid = ?", (sid,)).fetchone()
        return bytes(row[0]) if row else None

    def remove_blob(self, sid: str) -> None:
        self._blobs.pop(sid, None)
        if self._db is not None:
            self._db.execute("DELETE FROM blobs WHERE sid = ?", (sid,))

    def clear(self) -> None:
        self._dirty.clear()
        self._blobs.clear()
        if self._db is not None:
            self._db.executescript("DELETE FROM records; DELETE FROM blobs;")

    async def run(self) -> None:
        """Write the changed records every half second, until canceled."""
        while True:
            await asyncio.sleep(_FLUSH_EVERY)
            await self.flush()

    async def flush(self) -> None:
        if self._db is None or not (self._dirty or self._db.in_transaction):
            return
        async with self._writing:
            dirty, self._dirty = self._dirty, {}
            encoded = [(kind, key, _order(r), _encode(r)) for (kind, key), r in dirty.items()]
            self._write(self._db, encoded)

    @staticmethod
    def _write(db: sqlite3.Connection, rows: list[tuple[str, str, int, str | None]]) -> None:
        gone = [(kind, key) for kind, key, _, value in rows if value is None]
        kept = [row for row in rows if row[3] is not None]
        db.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)", kept)
        db.executemany("DELETE FROM records WHERE kind = ? AND key = ?", gone)
        db.commit()

    async def close(self) -> None:
        await self.flush()
        if self._db is not None:
            with contextlib.closing(self._db):
                self._db.commit()


def _encode(record: Storable | dict[str, Any] | None) -> str | None:
    if record is None:
        return None
    return json.dumps(record if isinstance(record, dict) else record.to_json())


def _order(record: Storable | dict[str, Any] | None) -> int:
    """Load messages in the order in which they were created."""
    return int(getattr(record, "seq", 0))
