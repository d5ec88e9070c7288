"""The load's own record, against a web service that fails first."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.chaos import load as loading
from tests.chaos.load import Business, Load, letters
from tests.chaos.outside import Outside
from tests.chaos.plan import SHORT

PLAN = replace(SHORT, messages=3, kills=1, freezes=0, crashes=0, flushes=0, aways=0, every=0.1)
BUSINESS = Business("demo", "key", "+14155238886")


class Web:
    """Answers the first post of each key with 503, cuts the second, and gives the third an id."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                key = self.headers.get("Idempotency-Key", "")
                outer.keys.append(key)
                times = outer.keys.count(key)
                if "/control/" in self.path or times > 2:
                    self._answer(202, {"message_id": f"id of {key}"})
                elif times == 1:
                    self._answer(503, {})
                else:
                    self.connection.close()

            def _answer(self, status: int, body: dict[str, str]) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join(5)
        self._server.server_close()


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    monkeypatch.setattr(loading, "PAUSE_SECONDS", 0.01)
    server = Web()
    yield server
    server.close()


def test_a_letter_keeps_its_key_until_the_answer_is_definite(web: Web) -> None:
    posts = letters(PLAN, [BUSINESS])
    load = Load(PLAN, web.url, Outside(web.url), posts)
    load.start()
    for thread in load.threads:
        thread.join(20)
    assert load.is_done()
    assert load.answers.ids == {each.key: f"id of {each.key}" for each in posts}
    assert load.answers.codes["202"] == load.answers.codes["503"] == len(posts)
    assert all(web.keys.count(each.key) == 3 for each in posts)
    assert load.answers.written == PLAN.writings
    assert load.answers.changed == []


def test_a_repeat_that_gets_another_answer_is_counted(web: Web) -> None:
    posts = letters(PLAN, [BUSINESS])
    load = Load(PLAN, web.url, Outside(web.url), posts)
    web.keys += [each.key for each in posts] * 2
    load.answers.ids = {each.key: f"id of {each.key}" for each in posts}
    load.answers.ids[posts[0].key] = "another id"
    load.repeat(posts)
    assert load.answers.repeated == {"same": 2, "other": 1}
