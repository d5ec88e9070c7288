"""The web server against clients that send slowly, never close, or send too much.

A real gunicorn with one process of two threads serves `tests.server.echo`; without collecting, two
such clients would stop it.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from dev.ports import free_port

SLOW_CLIENTS = 40
WAIT = 10.0
"""Seconds after which a test gives up."""
POST = b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
GET = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING = b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

Connect = Callable[..., socket.socket]
Serve = Callable[..., int]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start a server with some constants of the worker changed, once; return its port."""
    started: dict[tuple[tuple[str, float], ...], tuple[int, subprocess.Popen[bytes]]] = {}

    def start(**changed: float) -> int:
        key = tuple(changed.items())
        if key not in started:
            started[key] = launch(tmp_path_factory.mktemp("server"), changed)
        return started[key][0]

    yield start
    for _, process in started.values():
        process.kill()
        process.wait(WAIT)


def launch(folder: Path, changed: dict[str, float]) -> tuple[int, subprocess.Popen[bytes]]:
    """Start a server; FILES is how many file descriptors it may open."""
    settings = folder / "gunicorn.conf.py"
    lines = [f"worker.{name} = {value!r}" for name, value in changed.items() if name != "FILES"]
    if files := changed.get("FILES"):
        lines.append(f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({files},) * 2)")
    ours = Path("gunicorn.conf.py").read_text()
    settings.write_text("\n".join(["from app.server import worker", *lines, ours]))
    port = free_port()
    argv = [
        *(sys.executable, "-m", "gunicorn", "tests.server.echo:application"),
        *("--config", str(settings), "--bind", f"127.0.0.1:{port}"),
        *("--workers", "1", "--threads", "2", "--log-level", "warning"),
    ]
    process = subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": "."})
    wait_for(port)
    return port, process


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 3 * WAIT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), WAIT).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Open a connection and send these bytes."""
    opened: list[socket.socket] = []

    def open_one(port: int, sent: bytes = b"") -> socket.socket:
        sock = socket.create_connection(("127.0.0.1", port), WAIT)
        opened.append(sock)
        sock.sendall(sent)
        return sock

    yield open_one
    for sock in opened:
        sock.close()


def answer(sock: socket.socket) -> bytes:
    """Return the first answer on this connection: a head and its body."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += read(sock)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += read(sock)
    return head + b"\r\n\r\n" + body


def read(sock: socket.socket) -> bytes:
    piece = sock.recv(65_536)
    if not piece:
        raise ConnectionError("The server closed the connection.")
    return piece


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST /x HTTP/1.1\r\nHost: x\r\nX-Ha", id="half a head"),
        pytest.param(POST % 100 + b"half", id="half a body"),
        pytest.param(
            b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
            id="half a chunk",
        ),
        pytest.param(
            b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n0\r\n\r\n",
            id="a chunk that looks like the end",
        ),
        pytest.param(
            b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"0" * 30 + b"100\r\n\r\n",
            id="a length of many digits",
        ),
        pytest.param(CLOSING, id="nothing after its answer"),
    ],
)
def test_slow_clients_hold_no_thread(serve: Serve, connect: Connect, sent: bytes) -> None:
    port = serve()
    for _ in range(SLOW_CLIENTS):
        connect(port, sent)
    assert answer(connect(port, GET)).endswith(b"GET 0")


def test_clients_that_do_not_close_hold_up_nobody(serve: Serve, connect: Connect) -> None:
    port = serve(CLOSE_SECONDS=600.0)
    left = [connect(port, CLOSING) for _ in range(SLOW_CLIENTS)]
    for sock in left:
        assert answer(sock).endswith(b"GET 0")
    assert answer(connect(port, GET)).endswith(b"GET 0")


def test_a_request_may_arrive_in_pieces(serve: Serve, connect: Connect) -> None:
    sock = connect(serve())
    for byte in POST % 5 + b"hello":
        sock.sendall(bytes([byte]))
    assert answer(sock).endswith(b"POST 5")


def test_a_body_may_come_in_chunks(serve: Serve, connect: Connect) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    sock = connect(serve(), head)
    sock.sendall(b"5\r\nhello\r\n")
    sock.sendall(b"6\r\n world\r\n0\r\n\r\n")
    assert answer(sock).endswith(b"POST 11")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"b\r\nhello 0\r\n\r\n\r\n0\r\n\r\n", id="the end within a chunk"),
        pytest.param(b"B;a=b\r\nhello world\r\n000\r\n\r\n", id="an extension"),
        pytest.param(b"b\r\nhello world\r\n0\r\nX-Trailer: a\r\n\r\n", id="a trailer"),
    ],
)
def test_chunks_end_where_they_say(serve: Serve, connect: Connect, body: bytes) -> None:
    """A request behind them is answered too, so nothing was left over or taken from it."""
    sock = connect(serve())
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for byte in head + body + CLOSING:
        sock.sendall(bytes([byte]))
    received = b""
    while piece := sock.recv(65_536):
        received += piece
    assert b"POST 11" in received
    assert received.endswith(b"GET 0")


@pytest.mark.parametrize("line", [b"-5", b"xyz", b"", b"1_0", b"0x5", b"f" * 17])
def test_a_chunk_without_a_length_is_refused(serve: Serve, connect: Connect, line: bytes) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    sock = connect(serve(), head + line + b"\r\nhello\r\n")
    assert answer(sock).startswith(b"HTTP/1.1 400")


SMUGGLED = (
    pytest.param(b"Transfer-Encoding: chunked\r\nContent-Length: 4", id="both lengths"),
    pytest.param(b"Content-Length: 4\r\nTransfer-Encoding: chunked", id="the other way round"),
    pytest.param(b"Content-Length: 4\r\nContent-Length: 5", id="two lengths"),
    pytest.param(b"Content-Length: 4, 5", id="a list of lengths"),
    pytest.param(b"Content-Length: +4", id="a sign"),
    pytest.param(b"Transfer-Encoding: xchunked", id="an unknown coding"),
    pytest.param(b"Transfer-Encoding: chunked, identity", id="chunks inside"),
    pytest.param(b"Transfer-Encoding : chunked", id="a space before the colon"),
    pytest.param(b"X-A: b\r\n Transfer-Encoding: chunked", id="a folded line"),
)


@pytest.mark.parametrize("lengths", SMUGGLED)
def test_no_second_request_hides_in_the_first(
    serve: Serve, connect: Connect, lengths: bytes
) -> None:
    """A proxy may have read the other length: whatever follows is not answered as a request."""
    head = b"POST /x HTTP/1.1\r\nHost: x\r\n" + lengths + b"\r\n\r\n"
    sock = connect(serve(), head + b"0\r\n\r\n" + GET + CLOSING)
    received = b""
    with suppress(ConnectionResetError):
        while piece := sock.recv(65_536):
            received += piece
    assert received.count(b"HTTP/1.1 ") == 1
    assert received.split(b" ", 2)[1] in {b"400", b"501"}
    assert b"GET 0" not in received


@pytest.mark.parametrize("sent", [b"GET <script> HTTP/9\r\n\r\n", b"a" * 40_000])
def test_a_refusal_of_the_server_protects_a_browser_and_quotes_nothing(
    serve: Serve, connect: Connect, sent: bytes
) -> None:
    head = answer(connect(serve(), sent)).decode()
    assert "script" not in head
    for name in ("X-Content-Type-Options", "Content-Security-Policy", "Strict-Transport-Security"):
        assert f"\r\n{name}: " in head, head


def test_a_length_of_absurdly_many_digits_is_refused(serve: Serve, connect: Connect) -> None:
    port = serve()
    sock = connect(port, b"POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 20_000)
    sock.sendall(b"\r\n\r\n")
    while sock.recv(65_536):
        pass
    assert answer(connect(port, GET)).endswith(b"GET 0")


def test_more_connections_than_file_descriptors_stop_nobody(serve: Serve, connect: Connect) -> None:
    port = serve(FILES=64)
    kept = connect(port, GET)
    assert answer(kept).endswith(b"GET 0")
    for _ in range(200):
        connect(port, b"GET /x HTTP/1.1\r\nX-Ha")
    assert answer(connect(port, GET)).endswith(b"GET 0")
    kept.sendall(GET)
    assert answer(kept).endswith(b"GET 0"), "The process goes on."


def test_requests_sent_together_are_all_answered(serve: Serve, connect: Connect) -> None:
    sock = connect(serve(), POST % 3 + b"abc" + GET + CLOSING)
    received = b""
    while piece := sock.recv(65_536):
        received += piece
    assert received.count(b"HTTP/1.1 200") == 3
    assert received.count(b"POST 3") == 1


def test_one_connection_serves_many_requests(serve: Serve, connect: Connect) -> None:
    sock = connect(serve())
    for size in (1, 70_000, 0, 1_000_000):
        sock.sendall(POST % size + b"x" * size)
        assert answer(sock).endswith(b"POST %d" % size)


def test_who_asks_first_may_go_on(serve: Serve, connect: Connect) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    sock = connect(serve(), head)
    assert read(sock) == b"HTTP/1.1 100 Continue\r\n\r\n"
    sock.sendall(b"hello")
    received = b""
    while not received.endswith(b"POST 5"):
        received += read(sock)


def test_a_request_has_to_arrive_in_time(serve: Serve, connect: Connect) -> None:
    port = serve(REQUEST_SECONDS=0.5)
    silent = connect(port)
    assert answer(connect(port, POST % 100 + b"half")).startswith(b"HTTP/1.1 408")
    assert silent.recv(10) == b""


def test_the_longest_cursor_is_read_whatever_its_letters(serve: Serve, connect: Connect) -> None:
    """Percent-encoded, a letter has up to twelve bytes."""
    query = b"cursor=" + b"%F0%9F%98%8D" * 600
    sock = connect(serve(), GET.replace(b"/x", b"/api/messages?" + query))
    assert answer(sock).endswith(b"GET 0")


def test_a_head_has_an_end(serve: Serve, connect: Connect) -> None:
    sock = connect(serve(), b"GET /x HTTP/1.1\r\n" + b"X-Long: " + b"x" * 40_000)
    assert answer(sock).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(POST % 9_000_000, id="length"),
        pytest.param(
            b"POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"700000\r\n" + b"x" * 0x700000,
            id="chunks",
        ),
    ],
)
def test_a_body_that_is_too_long_is_refused_at_once(
    serve: Serve, connect: Connect, sent: bytes
) -> None:
    port = serve()
    sock = connect(port, sent)
    assert b"413" in answer(sock).splitlines()[0]
    sock.settimeout(WAIT)
    assert sock.recv(10) == b""


def test_unfinished_requests_hold_so_much_memory(serve: Serve, connect: Connect) -> None:
    port = serve(MOST_HELD=1_000_000)
    small = connect(port, POST % 100 + b"half")
    greedy = [connect(port, POST % 2_000_000 + b"x" * 400_000) for _ in range(3)]
    small.sendall(b"x" * 96)
    assert answer(small).endswith(b"POST 100")
    refused = [sock for sock in greedy if was_refused(sock)]
    assert len(refused) == 1


def was_refused(sock: socket.socket) -> bool:
    sock.settimeout(1)
    try:
        return answer(sock).startswith(b"HTTP/1.1 503")
    except TimeoutError:
        return False


def test_the_server_stops_though_clients_stay_connected(serve: Serve, connect: Connect) -> None:
    port = serve(CLOSE_SECONDS=2.0)  # a server of this test alone
    silent, kept = connect(port), connect(port, GET)
    assert answer(kept).endswith(b"GET 0")
    pids = subprocess.run(
        ["pgrep", "-f", f"bind 127.0.0.1:{port}"], capture_output=True, text=True, check=True
    )
    os.kill(int(pids.stdout.split()[0]), signal.SIGTERM)
    assert silent.recv(10) == b""
    assert kept.recv(10) == b""
