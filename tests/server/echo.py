"""An application that says which method it was asked with, and how long the body is."""

from collections.abc import Callable, Iterable
from typing import Any

LONGEST = 2_000_000


def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    if int(environ.get("CONTENT_LENGTH") or 0) > LONGEST:
        return reply(start, "413 Content Too Large", b"413")
    body = environ["wsgi.input"].read(LONGEST + 1)
    if len(body) > LONGEST:
        return reply(start, "413 Content Too Large", b"413")
    return reply(start, "200 OK", f"{environ['REQUEST_METHOD']} {len(body)}".encode())


def reply(start: Callable[..., Any], status: str, body: bytes) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
