"""Log lines: one JSON object each, with the ids of the request, and nothing private."""

import io
import json
import logging as standard
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog
from flask import Flask

from app.common import logging
from app.config import Settings
from tests.factories import ApiClient

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Log as production does; the function returns what was written since its last call."""
    written = io.StringIO()
    root = standard.getLogger()
    before = (root.handlers, root.level)
    monkeypatch.setattr("sys.stderr", written)
    logging.configure(replace(settings, log_format="json", log_level="info"))

    def read() -> list[dict[str, Any]]:
        text = written.getvalue()
        written.seek(0)
        written.truncate()
        return [json.loads(line) for line in text.splitlines()]

    yield read
    root.handlers, root.level = before
    monkeypatch.undo()
    logging.configure(settings)
    root.handlers, root.level = before


def test_a_line_is_json_with_the_ids_of_the_request(lines: Lines, signed_in: ApiClient) -> None:
    lines()
    answer = signed_in.get("/auth/me", headers={"X-Request-Id": "my-request"})
    (line,) = [each for each in lines() if each["event"] == "request"]
    assert answer.headers["X-Request-Id"] == line["request_id"] == "my-request"
    assert (line["method"], line["route"], line["status"]) == ("GET", "/auth/me", 200)
    assert line["tenant_id"] == str(signed_in.tenant_id)
    assert line["caller"] == f"user:{signed_in.user.id}"
    assert line["timestamp"].endswith("Z")
    assert line["level"] == "info"


def test_a_refusal_is_logged_with_its_code(lines: Lines, app: Flask) -> None:
    lines()
    ApiClient(app, "rk_live_nonsense").get("/api/messages")
    (line,) = [each for each in lines() if each["event"] == "request"]
    assert (line["status"], line["code"]) == (401, "api_key_invalid")


def test_a_value_makes_no_line_of_its_own(lines: Lines) -> None:
    lines()
    structlog.get_logger("test").warning("said", what='first\n{"event": "forged"}\r\x1b[2J')
    (line,) = lines()
    assert line["event"] == "said"


def test_an_unexpected_error_is_answered_without_its_text(
    lines: Lines, signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the secret of select * from users")

    monkeypatch.setattr("app.messages.lists.list_page", fail)
    signed_in.app.config["PROPAGATE_EXCEPTIONS"] = False
    try:
        answer = signed_in.get("/api/messages")
    finally:
        signed_in.app.config["PROPAGATE_EXCEPTIONS"] = None
    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text
    (line,) = [each for each in lines() if each["event"] == "unexpected_error"]
    assert line["request_id"] == answer.json["request_id"]
    assert "RuntimeError" in line["exception"]
