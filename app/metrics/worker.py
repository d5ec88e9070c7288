"""The metrics of a worker, served by a small HTTP server in its main process."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog

from app.metrics import exposition

log = structlog.get_logger(__name__)

PROXY_HEADERS = ("X_FORWARDED_FOR", "X_REAL_IP", "FORWARDED", "VIA")

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds needs no log line."""


def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
    """Serve `/metrics` to those to whom the web service would show it; 404 for everything else."""
    is_welcome = exposition.is_welcome(
        environ.get("HTTP_AUTHORIZATION", ""),
        environ["REMOTE_ADDR"],
        came_by_proxy=any(f"HTTP_{name}" in environ for name in PROXY_HEADERS),
    )
    if environ.get("PATH_INFO") != "/metrics" or not is_welcome:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"There is nothing at this address.\n"]
    start_response("200 OK", [("Content-Type", exposition.CONTENT_TYPE)])
    return [exposition.exposition(with_state=False)]


def serve(port: int) -> Server:
    """Listen in a thread of its own until the process ends. Raises OSError if the port is taken."""
    server = make_server("", port, answer, Server, QuietHandler)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    log.info("metrics_served", port=server.server_port)
    return server
