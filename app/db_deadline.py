"""A bound on every wait for the database, kept by this process itself.

`statement_timeout` is kept by the server, and TCP only asks whether the other kernel lives, so a
server whose processes are frozen would hold its callers until it goes on. Here a thread counts
the seconds of each call that is under way. When one has had its time, the thread shuts the
socket: the call ends at once with an error, and the pool replaces the connection.

The seconds are counted, not read off a clock: when this process itself was frozen, the answers
that came meanwhile are still taken.
"""

import contextlib
import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import psycopg2
from psycopg2 import extensions

CONNECT_SECONDS = 5
"""For each address of the server, until it has accepted the login; libpq counts these itself."""

FIRST_SECONDS = 5
"""For the first statement of a transaction, which only pins it, and for a rollback."""

STATEMENT_SECONDS = 15
"""After these a server that works ends the statement itself (`statement_timeout`)."""

GRACE_SECONDS = 1
"""For the news of that to arrive."""


class DeadlineExceeded(psycopg2.OperationalError):
    """The database did not answer in time; its connection was given up."""


class WatchedConnection(extensions.connection):
    """A psycopg2 connection whose calls raise DeadlineExceeded instead of waiting for ever."""

    seconds_left = 0
    is_given_up = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        watch.start()
        super().__init__(*args, **kwargs)

    def commit(self) -> None:
        self.ask(self.limit, super().commit)

    def rollback(self) -> None:
        self.ask(FIRST_SECONDS, super().rollback)

    @property
    def limit(self) -> int:
        """Seconds for the next call. psycopg2 begins a transaction with its first statement."""
        is_first = self.status == extensions.STATUS_READY
        return FIRST_SECONDS if is_first else STATEMENT_SECONDS + GRACE_SECONDS

    def ask(self, seconds: int, call: Callable[..., None], *given: Any) -> None:
        """Call the server. Raises DeadlineExceeded when it keeps silent for so long."""
        self.seconds_left = seconds
        watch.add(self)
        try:
            call(*given)
        finally:
            watch.remove(self)
            if self.is_given_up:
                raise DeadlineExceeded(f"the database did not answer within {seconds} s")

    def give_up(self) -> None:
        """Shut the socket under the call that waits for it, which then ends with an error."""
        self.is_given_up = True
        with (
            contextlib.suppress(OSError, psycopg2.Error),
            socket.socket(fileno=os.dup(self.fileno())) as shared,
        ):
            shared.shutdown(socket.SHUT_RDWR)


class WatchedCursor(extensions.cursor):
    """The cursor of a WatchedConnection."""

    connection: WatchedConnection

    def execute(self, query: Any, vars: Any = None) -> None:
        connection = self.connection
        connection.ask(connection.limit, super().execute, query, vars)

    def executemany(self, query: Any, vars_list: Any) -> None:
        connection = self.connection
        connection.ask(connection.limit, super().executemany, query, vars_list)


class Watch:
    """The connections of this process that wait for an answer, and the thread that counts."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """A forked child has neither its parent's thread nor its parent's connections."""
        self._lock = threading.Lock()
        self._waiting: set[WatchedConnection] = set()
        self._is_running = False

    def start(self) -> None:
        """Start the thread; it stays for the life of the process."""
        with self._lock:
            if not self._is_running:
                threading.Thread(target=self._count, name="database-deadline", daemon=True).start()
                self._is_running = True

    def add(self, connection: WatchedConnection) -> None:
        self._waiting.add(connection)

    def remove(self, connection: WatchedConnection) -> None:
        # Never during a look: its owner may close the socket, and the number go to another one.
        with self._lock:
            self._waiting.discard(connection)

    def _count(self) -> None:
        pause = threading.Event()
        while not pause.wait(1):
            with self._lock:
                for connection in self._waiting.copy():
                    connection.seconds_left -= 1
                    if connection.seconds_left < 0 and not connection.is_given_up:
                        connection.give_up()


watch = Watch()
os.register_at_fork(after_in_child=watch.begin_anew)

CONNECT_ARGS: dict[str, Any] = {
    "connect_timeout": CONNECT_SECONDS,
    "connection_factory": WatchedConnection,
    "cursor_factory": WatchedCursor,
}
"""What `psycopg2.connect` must be given."""
