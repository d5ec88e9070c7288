"""A timeout for every call to the database, enforced by this process.

The server enforces `statement_timeout`, and TCP keepalive only checks the other kernel, so a server
whose processes are frozen would block its callers until it resumes. Here a thread counts the
seconds of each call in progress. When a call has used up its time, the thread shuts down the
socket: the call fails at once, and the pool replaces the connection.

The thread counts seconds instead of reading a clock. When this process itself was frozen, responses
that arrived meanwhile are still used.
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
"""For each address of the server, until it has accepted the login. libpq enforces this."""

FIRST_SECONDS = 5
"""For the first statement of a transaction, which only pins it, and for a rollback."""

STATEMENT_SECONDS = 15
"""After this time the server cancels the statement itself (`statement_timeout`)."""

GRACE_SECONDS = 1
"""Extra time for the server's cancellation error to arrive."""


class DeadlineExceeded(psycopg2.OperationalError):
    """The database did not answer in time, and the connection was closed."""


class WatchedConnection(extensions.connection):
    """A psycopg2 connection whose calls raise DeadlineExceeded instead of waiting forever."""

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
        """Call the server. Raises DeadlineExceeded when it does not answer within `seconds`."""
        self.seconds_left = seconds
        watch.add(self)
        try:
            call(*given)
        finally:
            watch.remove(self)
            if self.is_given_up:
                raise DeadlineExceeded(f"the database did not answer within {seconds} s")

    def give_up(self) -> None:
        """Shut down the socket of the call in progress, which then fails."""
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
    """The connections of this process that wait for an answer, and the thread that counts their
    seconds."""

    def __init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Reset the state. A forked child has neither its parent's thread nor its connections."""
        self._lock = threading.Lock()
        self._waiting: set[WatchedConnection] = set()
        self._is_running = False

    def start(self) -> None:
        """Start the thread, which runs until the process ends."""
        with self._lock:
            if not self._is_running:
                threading.Thread(target=self._count, name="database-deadline", daemon=True).start()
                self._is_running = True

    def add(self, connection: WatchedConnection) -> None:
        self._waiting.add(connection)

    def remove(self, connection: WatchedConnection) -> None:
        # Take the lock, so that the thread is not at work: after this call the owner may close the
        # socket, and its number may be reused.
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
"""The arguments that `psycopg2.connect` must be given."""
