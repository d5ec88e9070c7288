"""The HTTP client under Twilio's library: with timeouts, without retries and logs, thread-safe.

The library's own client keeps the last answer in an attribute, so one thread may get another's
answer, and it logs bodies and phone numbers. Ours replaces it.
"""

import io
import socket
import threading
import time
from http.client import HTTPResponse
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from twilio.http import HttpClient
from twilio.http.response import Response
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager, ProxyManager
from urllib3.util.connection import create_connection

CONNECT_SECONDS = 5.0
"""For one address. A name may have several, and the call's deadline covers all of them."""

SHORTEST_SECONDS = 0.001
"""A socket accepts no negative timeout."""

LARGEST_ANSWER = 8 * 1024 * 1024
POOL_SIZE = 32


class Exchange(threading.local):
    """The state of this thread's current call.

    `written`: bytes of the request were sent, so it may have been processed. `response`: the last
    answer that was read whole. `deadline`: when the call must end, by the monotonic clock.
    """

    written: bool = False
    response: Response | None = None
    deadline: float = 0.0

    def reset(self) -> None:
        self.written = False
        self.response = None

    def left(self) -> float:
        """Return the seconds until the deadline. Raises TimeoutError once it has passed."""
        seconds = self.deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("the time for this call is over")
        return seconds


exchange = Exchange()


class _UntilDeadline(io.RawIOBase):
    """Reads a socket; no wait for more bytes exceeds the call's deadline."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        super().__init__()
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(exchange.left())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_UntilDeadline(sock, self.fp.detach()))


class _Watched:
    """Enforces the call's deadline, and records when a request starts to be written.

    TLS and proxy handshakes do not count as the request. Nothing is written after the deadline: a
    request of which no byte was sent was certainly not processed.
    """

    sock: Any
    response_class: Any = _Answer

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers. urllib3 would give each address the whole
        timeout."""
        host, port = self._dns_host, self.port  # type: ignore[attr-defined]
        options = self.socket_options  # type: ignore[attr-defined]
        trouble = OSError(f"{host} has no address")
        for *_, (address, *_rest) in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                seconds = min(CONNECT_SECONDS, exchange.left())
                found = create_connection((str(address), port), seconds, socket_options=options)
            except OSError as error:
                trouble = error
            else:
                # A TLS handshake follows.
                found.settimeout(max(SHORTEST_SECONDS, exchange.deadline - time.monotonic()))
                return found
        raise trouble

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        finally:
            exchange.written = False

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        self.sock.settimeout(exchange.left())
        exchange.written = True
        super().send(data)  # type: ignore[misc]


class WatchedHTTPConnection(_Watched, HTTPConnection):
    pass


class WatchedHTTPSConnection(_Watched, HTTPSConnection):
    pass


class WatchedHTTPPool(HTTPConnectionPool):
    ConnectionCls = WatchedHTTPConnection


class WatchedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = WatchedHTTPSConnection


POOLS = {"http": WatchedHTTPPool, "https": WatchedHTTPSPool}


class WatchedAdapter(HTTPAdapter):
    """An adapter without retries: only the caller knows whether a repeat is safe."""

    def __init__(self) -> None:
        super().__init__(pool_connections=4, pool_maxsize=POOL_SIZE, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager


class _NoCookies(RequestsCookieJar):
    """Stores nothing, so that threads share no state through it."""

    def set_cookie(self, *_args: Any, **_kwargs: Any) -> None:
        return


class WatchedHttpClient(HttpClient):  # type: ignore[misc]
    """`seconds` limits a call as a whole: resolving, connecting, writing, reading."""

    def __init__(self, seconds: float) -> None:
        self.timeout = seconds
        self.is_async = False
        self.session = requests.Session()
        self.session.cookies = _NoCookies()
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, WatchedAdapter())

    def request(  # noqa: PLR0913, PLR0917 - the library's own signature
        self,
        method: str,
        url: str,
        params: Any = None,
        data: Any = None,
        headers: Any = None,
        auth: Any = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Raises what `requests` raises."""
        seconds = timeout or self.timeout
        as_json = "json" in (headers or {}).get("Content-Type", "")
        exchange.reset()
        exchange.deadline = time.monotonic() + seconds
        answer = self.session.request(
            method.upper(),
            url,
            params=params,
            data=None if as_json else data,
            json=data if as_json else None,
            headers=headers,
            auth=auth,
            timeout=seconds,
            allow_redirects=allow_redirects,
            stream=True,
        )
        with answer:
            text = _read(answer)
        exchange.response = Response(int(answer.status_code), text, answer.headers)
        return exchange.response


def _read(answer: requests.Response) -> str:
    """Return the body. Raises when it is larger than this API's answers can be."""
    body = bytearray()
    while chunk := answer.raw.read1(65536, decode_content=True):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise requests.exceptions.ContentDecodingError("answer too large")
    return body.decode("utf-8", errors="replace")
