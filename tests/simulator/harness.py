"""A simulator in this process, a receiver for its webhooks, and the official client."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import requests
from twilio.rest import Client

from simulator.demo import DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN, DEMO_SENDER, README_PHONE
from simulator.server import listen
from simulator.settings import Settings

SENDER = DEMO_SENDER
PERSON = f"whatsapp:{README_PHONE}"


def wait_until(check: Callable[[], Any], seconds: float = 5.0) -> Any:
    """Return the first true value of `check`; fail if there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = check()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError("the condition did not become true in time")


@dataclass
class Received:
    """One webhook as received."""

    path: str
    headers: dict[str, str]
    form: dict[str, str]
    at: float = field(default_factory=time.monotonic)


class Receiver:
    """The business's webhook endpoint. It returns `answers` in turn, and then always 204."""

    def __init__(self) -> None:
        self.seen: list[Received] = []
        self.answers: list[tuple[int, str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(parse_qsl(raw, keep_blank_values=True))
                outer.seen.append(Received(self.path, dict(self.headers), form))
                status, kind, text = outer.answers.pop(0) if outer.answers else (204, "", "")
                self.send_response(status)
                if status != 204:
                    self.send_header("Content-Type", kind)
                    self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = self.base + "/hook"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def statuses(self, sid: str | None = None) -> list[str]:
        return [
            r.form["MessageStatus"]
            for r in list(self.seen)
            if "MessageStatus" in r.form and sid in (None, r.form["MessageSid"])
        ]

    def inbound(self) -> list[Received]:
        return [r for r in list(self.seen) if r.form.get("SmsStatus") == "received"]

    def clear(self) -> None:
        self.seen.clear()
        self.answers.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Simulator:
    """A simulator in a thread with its own event loop, so that blocking clients can call it."""

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._runner = asyncio.run_coroutine_threadsafe(listen(settings), self._loop).result(10)
        self.base = f"http://127.0.0.1:{settings.port}"

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def control(self, method: str, path: str, data: Any = None, status: int | None = None) -> Any:
        response = requests.request(method, f"{self.base}/control{path}", json=data, timeout=20)
        if status is not None:
            assert response.status_code == status, response.text
        else:
            assert response.ok, response.text
        return response.json() if response.content else None

    def log(self, kind: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.control("GET", f"/log?kind={kind}")["items"]
        return items

    def write(self, key: str = README_PHONE, **data: Any) -> dict[str, Any]:
        """Write as a person and wait for the webhook's answer."""
        body = {"to": SENDER, "wait": True, **data}
        message: dict[str, Any] = self.control("POST", f"/phones/{key}/messages", body)
        return message

    def post(self, path: str, form: dict[str, Any], **options: Any) -> requests.Response:
        """Post a form with the demonstration credentials, without the official client."""
        options.setdefault("auth", (DEMO_ACCOUNT_SID, DEMO_AUTH_TOKEN))
        return requests.post(self.base + path, data=form, timeout=10, **options)

    def client(self, sid: str = DEMO_ACCOUNT_SID, token: str = DEMO_AUTH_TOKEN) -> Client:
        client = Client(sid, token)
        client.api.base_url = self.base
        client.content.base_url = self.base
        client.messaging.base_url = self.base
        return client


MESSAGES = f"/2010-04-01/Accounts/{DEMO_ACCOUNT_SID}/Messages.json"


@contextlib.contextmanager
def running(receiver: Receiver, **options: Any) -> Iterator[Simulator]:
    settings = Settings(port=0, time_scale=0.1, inbound_url=receiver.url, **options)
    simulator = Simulator(settings)
    try:
        yield simulator
    finally:
        simulator.close()


def dumps(value: Any) -> str:
    return json.dumps(value)
