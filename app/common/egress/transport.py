"""Connections to checked addresses, under one deadline for each call."""

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import cache

import httpcore2
import httpx2

from app.common.egress import rules
from app.common.egress.rules import EgressRefused

SHORTEST_SECONDS = 0.001
"""A socket accepts no timeout of zero or less."""

# getaddrinfo has no timeout; a thread that hangs in it is abandoned.
_resolvers = ThreadPoolExecutor(max_workers=16, thread_name_prefix="egress-resolver")


class EgressFailed(Exception):
    """The server did not answer in HTTP within the limits. The text may be shown to the tenant."""


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Turn the errors of sockets, TLS and HTTP into EgressFailed."""
    try:
        yield
    except httpcore2.TimeoutException as error:
        raise EgressFailed("The server took too long to answer.") from error
    except (httpcore2.NetworkError, ssl.SSLError, OSError) as error:
        raise EgressFailed("The TLS connection to the server failed.") from error
    except httpcore2.ProtocolError as error:
        raise EgressFailed("The server did not answer in valid HTTP.") from error


class Call:
    """One call, from resolving the name to the last byte of the answer.

    `is_written`: bytes of a request were sent, so the server may have done what it asks for.
    `is_canceled`: another thread has ended the call.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self.is_written = False
        self.is_canceled = False

    def left(self) -> float:
        """Return the seconds that remain. Raises EgressFailed when none do."""
        if self.is_canceled:
            raise EgressFailed("The call was canceled.")
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise EgressFailed("The server took too long to answer.")
        return max(remaining, SHORTEST_SECONDS)

    def seconds_left(self) -> float:
        """Return the seconds that remain, 0 or less when none do."""
        return self._end - time.monotonic()

    def cancel(self) -> None:
        """End the call from another thread, also while it waits for bytes."""
        with self._lock:
            self.is_canceled = True
            if self._socket is not None:
                # A thread that waits in recv notices a shutdown, but not a close.
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def uses(self, used: socket.socket | None) -> None:
        with self._lock:
            self._socket = used

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Let the requests that this thread makes in the block belong to this call."""
        _now.call = self
        try:
            yield
        finally:
            self.uses(None)
            _now.call = None


class _Now(threading.local):
    call: Call | None = None


_now = _Now()


def current_call() -> Call:
    """Raises AssertionError outside `Call.running`: a request without a deadline may never end."""
    if _now.call is None:
        raise AssertionError("requests run in Call.running()")
    return _now.call


def choose_address(host: str, port: int, call: Call, *, may_be_private: bool = False) -> str:
    """Resolve the host and return an address to connect to.

    Raises EgressRefused if any address is not public, unless the operator allows the host;
    EgressFailed if it does not resolve.
    """
    lookup = _resolvers.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = lookup.result(timeout=call.left())
    except (OSError, UnicodeError) as error:
        raise EgressFailed(f"The name {host} does not resolve.") from error
    except FutureTimeoutError as error:
        raise EgressFailed(f"The name {host} takes too long to resolve.") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses:
        raise EgressFailed(f"The name {host} does not resolve.")
    if not (may_be_private or rules.is_allowed(host, port)) and not all(
        rules.is_public(ipaddress.ip_address(address.partition("%")[0])) for address in addresses
    ):
        raise EgressRefused(rules.NOT_PUBLIC)
    return addresses[0]


class _Backend(httpcore2.NetworkBackend):
    """Resolves, checks and connects in one step, so that no second answer of a name server can
    lead elsewhere."""

    def __init__(self, *, may_be_private: bool) -> None:
        self._may_be_private = may_be_private
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the call's deadline rules
        local_address: str | None = None,
        socket_options: Iterable[tuple[int, int, int]] | None = None,  # type: ignore[override]
    ) -> httpcore2.NetworkStream:
        call = current_call()
        address = choose_address(host, port, call, may_be_private=self._may_be_private)
        return _Stream(
            self._sockets.connect_tcp(address, port, call.left(), local_address, socket_options)
        )


class _Stream(httpcore2.NetworkStream):
    """Limits each wait by the deadline of the call that uses the connection, so that an answer that
    arrives byte by byte ends with it too."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._stream.read(max_bytes, self._call().left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        call = self._call()
        seconds = call.left()
        call.is_written = True
        self._stream.write(buffer, seconds)

    def _call(self) -> Call:
        call = current_call()
        call.uses(self._stream.get_extra_info("socket"))
        return call

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore2.NetworkStream:
        seconds = self._call().left()
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, seconds))

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


@cache
def tls_context() -> ssl.SSLContext:
    """Return the shared TLS context. Loading the certificate authorities takes tens of
    milliseconds."""
    context = httpx2.create_ssl_context(trust_env=False)
    # What Python's default is depends on how it was built.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Body(httpx2.SyncByteStream):
    """The bytes of a response as they arrive, up to a limit."""

    def __init__(self, response: httpcore2.Response, max_bytes: int) -> None:
        self._response = response
        self._max_bytes = max_bytes

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        with _failures():
            for chunk in self._response.iter_stream():
                size += len(chunk)
                if size > self._max_bytes:
                    raise EgressFailed(f"The answer is larger than {self._max_bytes} bytes.")
                yield chunk

    def close(self) -> None:
        self._response.close()


class Transport(httpx2.BaseTransport):
    """Sends requests in the call of the current thread.

    `keep` connections stay open for later requests to the same origin. With `may_be_private`, the
    address is the operator's own: it may be any, by http too.
    """

    def __init__(self, *, max_bytes: int, keep: int = 0, may_be_private: bool = False) -> None:
        self._max_bytes = max_bytes
        self._may_be_private = may_be_private
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls_context(),
            max_connections=None,
            max_keepalive_connections=keep,
            keepalive_expiry=30.0,
            network_backend=_Backend(may_be_private=may_be_private),
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises EgressRefused before anything is sent, and EgressFailed."""
        url = request.url
        if not self._may_be_private:
            rules.parse(str(url))
        # A few compressed bytes can expand to gigabytes.
        request.headers["Accept-Encoding"] = "identity"
        outgoing = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.read(),
            extensions=request.extensions,
        )
        with _failures():
            response = self._pool.handle_request(outgoing)
        body = _Body(response, self._max_bytes)
        answer = httpx2.Response(response.status, headers=response.headers, stream=body)
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            response.close()
            raise EgressFailed("The answer is compressed, although the request did not allow it.")
        return answer

    def close(self) -> None:
        self._pool.close()
