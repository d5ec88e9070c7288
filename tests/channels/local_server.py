"""A server that reads one request and answers with exactly the given bytes, or misbehaves."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

Behaviour = Callable[[socket.socket], None]


@dataclass
class LocalServer:
    port: int
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(status: str, body: bytes = b"", *headers: str) -> Behaviour:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def behave(connection: socket.socket) -> None:
        connection.sendall(raw)

    return behave


def resetting(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hanging(connection: socket.socket) -> None:
    connection.settimeout(20)
    connection.recv(1)


def trickling(connection: socket.socket) -> None:
    """Send one byte of the head every 50 ms, without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    pause = threading.Event()
    while not pause.wait(0.05):
        connection.sendall(b"a")


@contextmanager
def serve(behave: Behaviour) -> Iterator[LocalServer]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = LocalServer(listener.getsockname()[1])

    def handle(connection: socket.socket) -> None:
        # In many of these tests the client gives up.
        with connection, suppress(OSError):
            server.requests.append(read_request(connection))
            behave(connection)

    def loop() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=loop, daemon=True).start()
    try:
        yield server
    finally:
        # Closing alone does not wake a thread that waits in accept().
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@contextmanager
def deaf(*addresses: str, port: int = 0) -> Iterator[int]:
    """A port that accepts no connection at these loopback addresses: a client waits."""
    with ExitStack() as stack:
        for address in addresses:
            listener = stack.enter_context(socket.socket())
            listener.bind((address, port))
            listener.listen(0)
            port = listener.getsockname()[1]
            for _ in range(2):
                # These fill the listen queue, so the next connection finds no room.
                waiting = stack.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex((address, port))
        yield port


def closed_port() -> int:
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
