"""The HTTP client under Twilio's library: timeouts, no retries, no logs, safe to share by threads.

The library's own client keeps the last answer in an attribute, so that of two threads one may get
the other's answer, and it logs bodies and phone numbers. Ours takes its place.
"""

import threading
import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from twilio.http import HttpClient
from twilio.http.response import Response
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager, ProxyManager

CONNECT_SECONDS = 5.0
LARGEST_ANSWER = 8 * 1024 * 1024
POOL_SIZE = 32


class Exchange(threading.local):
    """What is known of this thread's present call.

    `written`: bytes of the request went out, so it may have been processed. `response`: the last
    answer that was read whole.
    """

    written: bool = False
    response: Response | None = None

    def reset(self) -> None:
        self.written = False
        self.response = None


exchange = Exchange()


class _Watched:
    """Notes when a request starts to be written. TLS and proxy handshakes do not count."""

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        finally:
            exchange.written = False

    def send(self, data: Any) -> None:
        if self.sock is None:  # type: ignore[attr-defined]
            self.connect()
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
    """No retries: only the caller knows whether a repeat is safe."""

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
    """Remembers nothing, so that threads share no state through it."""

    def set_cookie(self, *_args: Any, **_kwargs: Any) -> None:
        return


class WatchedHttpClient(HttpClient):  # type: ignore[misc]
    """`seconds` bounds the wait for each piece of an answer, and the reading of it all."""

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
        answer = self.session.request(
            method.upper(),
            url,
            params=params,
            data=None if as_json else data,
            json=data if as_json else None,
            headers=headers,
            auth=auth,
            timeout=(min(CONNECT_SECONDS, seconds), seconds),
            allow_redirects=allow_redirects,
            stream=True,
        )
        with answer:
            text = _read(answer, time.monotonic() + seconds)
        exchange.response = Response(int(answer.status_code), text, answer.headers)
        return exchange.response


def _read(answer: requests.Response, deadline: float) -> str:
    """The body, by the deadline and no larger than we expect from this API."""
    body = bytearray()
    while chunk := answer.raw.read1(65536, decode_content=True):
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise requests.exceptions.ContentDecodingError("answer too large")
        if time.monotonic() > deadline:
            raise requests.exceptions.ReadTimeout("answer too slow")
    return body.decode("utf-8", errors="replace")
