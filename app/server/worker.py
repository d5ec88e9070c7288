"""A gunicorn worker that gives a request to a thread when all of it has arrived.

The threads of gunicorn's own worker read from the client, so a few clients that send slowly hold
all of them; and its main loop waits for each client that is to close its connection. Here the main
loop collects requests and closes connections without waiting, so that a slow client costs memory
alone, and it closes a connection whose request takes too long or holds too much of that.
"""

import errno
import re
import selectors
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from gunicorn import util
from gunicorn.workers.gthread import TConn, ThreadWorker

REQUEST_SECONDS = 20.0
"""How long a whole request may take to arrive, counted from its first byte or, on a new connection,
from its acceptance."""
STILL_SECONDS = 20
"""How long a thread waits for a client that takes nothing of its answer, or sends nothing more of a
body that is too long to be collected."""
MOST_LEAVING = 128
"""Connections that wait for their clients to close them; beyond that the oldest is closed."""
CLOSE_SECONDS = 2.0
"""How long a connection stays open for the client to read its last answer (RFC 9112, 9.6)."""
LONGEST_HEAD = 32 * 1024
"""Bytes of request line and headers; the usual proxies allow 8 to 32 KiB."""
LONGEST_BODY = 6 * 1024 * 1024
"""Bytes; an uploaded document has 5 MiB. A longer body is not collected: the application refuses it
by its length."""
MOST_HELD = 64 * 1024 * 1024
"""Bytes of unfinished requests that one process holds at once."""
PIECE = 64 * 1024

END_OF_LINE = b"\r\n"
EMPTY_LINE = b"\r\n\r\n"
"""What ends the head, and the trailers of a body in chunks."""
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*0*(\d*)[ \t]*\r\n", re.IGNORECASE)
MOST_DIGITS = 18
CHUNK = re.compile(rb"([0-9a-f]{1,16})[ \t]*(?:;.*)?", re.IGNORECASE | re.DOTALL)
"""The line before a chunk: its length, and extensions."""
CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue", re.IGNORECASE)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MALFORMED = b"400 Bad Request"
TOO_SLOW = b"408 Request Timeout"
TOO_LONG_A_HEAD = b"431 Request Header Fields Too Large"
TOO_BUSY = b"503 Service Unavailable"
REFUSAL = (
    b"HTTP/1.1 %s\r\n"
    b"Connection: close\r\n"
    b"Content-Length: 0\r\n"
    b"X-Content-Type-Options: nosniff\r\n"
    b"Content-Security-Policy: default-src 'none'; object-src 'none'; base-uri 'none'; "
    b"frame-ancestors 'none'\r\n"
    b"Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"
    b"\r\n"
)
"""An answer to a request that the application never sees. Browsers ignore the last header unless
the answer came by TLS."""


@dataclass(eq=False)
class Arrival:
    """A request that is being collected."""

    deadline: float
    received: bytearray = field(default_factory=bytearray)
    head: int = 0
    """Length of request line and headers with the empty line; 0 while they are incomplete."""
    body: int | None = 0
    """Length of the body; None if it comes in chunks."""
    is_malformed: bool = False
    is_watched: bool = False
    """Whether the main loop is told when more arrives."""
    _next_chunk: int = 0
    """Where the line before the next chunk begins."""

    @property
    def is_whole(self) -> bool:
        """Whether all of it has arrived."""
        if not self.head:
            return False
        if self.body is None:
            return self._has_last_chunk()
        return len(self.received) - self.head >= self.body

    @property
    def is_cut(self) -> bool:
        """Whether the body is too long to be collected."""
        length = len(self.received) - self.head if self.body is None else self.body
        return bool(self.head) and length > LONGEST_BODY

    def read_head(self) -> bool:
        """Note where the head ends and how long the body is; return whether it just ended."""
        if self.head:
            return False
        end = self.received.find(EMPTY_LINE)
        if end < 0:
            return False
        self.head = self._next_chunk = end + len(EMPTY_LINE)
        head = bytes(self.received[: self.head])
        self.body = None if CHUNKED.search(head) else _length_in(head)
        return True

    def _has_last_chunk(self) -> bool:
        """Go from chunk to chunk: what a chunk holds may look like the end (RFC 9112, 7.1)."""
        while (end := self.received.find(END_OF_LINE, self._next_chunk)) >= 0:
            line = CHUNK.fullmatch(self.received, self._next_chunk, end)
            if line is None:
                self.is_malformed = True
                return False
            length = int(line[1], 16)
            if not length:
                return self.received.find(EMPTY_LINE, end) >= 0
            self._next_chunk = end + len(END_OF_LINE) + length + len(END_OF_LINE)
        return False


def _length_in(head: bytes) -> int:
    """Return the length of the body. One of absurdly many digits is only longer than any other."""
    found = LENGTH.search(head)
    return int(found[1][:MOST_DIGITS] or 0) if found else 0


class Connection(TConn):  # type: ignore[misc]
    """A connection that closes without waiting for its client."""

    def __init__(
        self, worker: "BufferedWorker", sock: socket.socket, client: Any, own: Any
    ) -> None:
        super().__init__(worker.cfg, sock, client, own)
        self.worker = worker
        self.received = b""
        """The request to answer, as far as it was collected."""
        self.is_cut = False
        """Whether the rest of its body is not worth reading."""
        wait = struct.pack("ll", STILL_SECONDS, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, wait)

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self.worker.let_leave(self)
        else:
            super().close()


class BufferedWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker with threads, which collects each request first.

    Connections under TLS are left to gunicorn: a proxy ends TLS in front of the service.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # gunicorn answers a malformed request with a page of HTML that quotes it.
        util.write_error = _write_error
        self.arriving: dict[Connection, Arrival] = {}
        self.leaving: dict[Connection, float] = {}
        """Connection whose last answer is sent → when it is closed at the latest."""
        self.held = 0
        """Bytes of the requests that are arriving."""

    def accept(self, listener: Any) -> None:
        """Accept a connection."""
        try:
            sock, client = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._make_room()
            return
        self.nr_conns += 1
        self.enqueue_req(Connection(self, sock, client, listener.getsockname()))

    def enqueue_req(self, conn: Connection) -> None:
        """Begin to collect the next request of this connection."""
        if self.cfg.is_ssl:
            super().enqueue_req(conn)
            return
        arrival = Arrival(time.monotonic() + REQUEST_SECONDS)
        if conn.parser is not None:
            # The client may have sent it behind the one before.
            arrival.received += conn.parser.unreader.take_buffered()
        conn.sock.setblocking(False)
        self.arriving[conn] = arrival
        self.held += len(arrival.received)
        self._look(conn, arrival)
        if conn in self.arriving:
            # Most requests are here as a whole, and then nothing has to be registered.
            self.on_arriving(conn, conn.sock)
        if conn in self.arriving:
            arrival.is_watched = True
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_arriving, conn))

    def on_arriving(self, conn: Connection, sock: socket.socket) -> None:
        """Read what has arrived."""
        arrival = self.arriving[conn]
        try:
            piece = sock.recv(PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            piece = b""
        if not piece:
            self._drop(conn)
            return
        arrival.received += piece
        self.held += len(piece)
        self._look(conn, arrival)
        if self.held > MOST_HELD:
            self._drop(max(self.arriving, key=self._bytes_of), TOO_BUSY)

    def handle(self, conn: Connection) -> Any:
        """Answer the collected request, in a thread."""
        if conn.received:
            conn.init()
            conn.parser.unreader.unread(conn.received)
            conn.received = b""
        return super().handle(conn)

    def let_leave(self, conn: Connection) -> None:
        """Close the connection when the client has, or soon."""
        if len(self.leaving) >= MOST_LEAVING:
            self._close_left(next(iter(self.leaving)))
        with suppress(OSError):
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.leaving[conn] = time.monotonic() + CLOSE_SECONDS
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_leaving, conn))
            return
        conn.close()

    def on_leaving(self, conn: Connection, sock: socket.socket) -> None:
        """Throw away what the client still sends; unread bytes would reset the connection."""
        try:
            is_over = not sock.recv(PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            is_over = True
        if is_over:
            self._close_left(conn)

    def murder_pending(self) -> None:
        """Close what has waited too long; gunicorn calls this once a second."""
        super().murder_pending()
        now = time.monotonic()
        for conn, arrival in list(self.arriving.items()):
            if arrival.deadline < now:
                self._drop(conn, TOO_SLOW if arrival.received else b"")
        for conn, deadline in list(self.leaving.items()):
            if deadline < now:
                self._close_left(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """The worker stops: a connection that has sent nothing waits no longer than an idle one."""
        super()._cap_keepalive(deadline)
        for arrival in self.arriving.values():
            if not arrival.received:
                arrival.deadline = min(arrival.deadline, deadline)

    def _look(self, conn: Connection, arrival: Arrival) -> None:
        """Hand the request over if it is complete, or refuse it if its head never ends."""
        if arrival.read_head() and EXPECTS.search(arrival.received[: arrival.head]):
            _send(conn, CONTINUE)
        if arrival.is_whole or arrival.is_cut:
            self._forget(conn)
            conn.received = bytes(arrival.received)
            conn.is_cut = arrival.is_cut
            conn.data_ready = True
            super().enqueue_req(conn)
        elif arrival.is_malformed:
            self._drop(conn, MALFORMED)
        elif not arrival.head and len(arrival.received) > LONGEST_HEAD:
            self._drop(conn, TOO_LONG_A_HEAD)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        return not conn.is_cut and bool(super()._keepalive_after(conn, keepalive))

    def _make_room(self) -> None:
        """There are no file descriptors left: close a connection that nobody works for."""
        if self.leaving:
            self._close_left(next(iter(self.leaving)))
        elif self.arriving:
            self._drop(next(iter(self.arriving)))

    def _drop(self, conn: Connection, status: bytes = b"") -> None:
        """Close the connection, after an answer if there is one."""
        self._forget(conn)
        self.nr_conns -= 1
        if status:
            _send(conn, REFUSAL % status)
        conn.close(graceful=bool(status))

    def _forget(self, conn: Connection) -> None:
        arrival = self.arriving.pop(conn)
        self.held -= len(arrival.received)
        if arrival.is_watched:
            self.poller.unregister(conn.sock)

    def _close_left(self, conn: Connection) -> None:
        del self.leaving[conn]
        self.poller.unregister(conn.sock)
        conn.close()

    def _bytes_of(self, conn: Connection) -> int:
        return len(self.arriving[conn].received)


def _write_error(sock: socket.socket, status: int, reason: str, _message: str) -> None:
    util.write_nonblock(sock, REFUSAL % f"{status} {reason}".encode("latin-1"))


def _send(conn: Connection, text: bytes) -> None:
    """Send without waiting; a client that takes nothing gets nothing."""
    with suppress(OSError):
        conn.sock.send(text)
