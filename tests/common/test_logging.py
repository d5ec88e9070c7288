"""A line of the log says when, what and who, stays one line, and holds no secret."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import structlog
from flask import Flask

from app.common import logging as our_logging
from app.config import Settings
from app.models import Role, User
from tests.conftest import SignIn
from tests.factories import PASSWORD, ApiClient

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Return the lines that were logged since the last call, as a process in production writes
    them."""
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(sys, "stderr", stream)
    our_logging.configure(replace(settings, log_format="json", log_level="INFO"))

    def read() -> list[dict[str, Any]]:
        text = stream.getvalue()
        stream.seek(0)
        stream.truncate()
        return [json.loads(line) for line in text.splitlines()]

    yield read
    monkeypatch.undo()
    our_logging.configure(settings)
    root.handlers, root.level = handlers, level


def named(found: list[dict[str, Any]], event: str) -> dict[str, Any]:
    (line,) = [each for each in found if each["event"] == event]
    return line


def test_a_value_with_line_breaks_stays_in_its_line(lines: Lines) -> None:
    value = 'a\n{"event": "forged"}\r\n\u2028b'
    structlog.get_logger("app.test").warning("heard", value=value)
    logging.getLogger("some.library").warning("said %s", value)
    first, second = lines()
    assert (first["event"], first["value"], first["level"]) == ("heard", value, "warning")
    assert second["event"] == f"said {value}"


def test_a_line_has_its_time_in_utc(lines: Lines) -> None:
    structlog.get_logger("app.test").info("now")
    (line,) = lines()
    assert datetime.fromisoformat(line["timestamp"]).utcoffset() == timedelta(0)


def test_a_request_names_its_caller_and_its_route_but_no_value_of_the_url(
    lines: Lines, sign_in: SignIn
) -> None:
    """A refused request, too: attempts at what is forbidden can be found."""
    viewer = sign_in(Role.VIEWER)
    answer = viewer.put(f"/tenants/me/users/{uuid4()}?phone=%2B15551234567", {"name": "x"})
    line = named(lines(), "request")
    assert answer.status_code == 403
    assert (line["status"], line["code"]) == (403, answer.json["code"])
    assert (line["method"], line["route"]) == ("PUT", "/tenants/me/users/<uuid:user_id>")
    assert line["caller"] == f"user:{viewer.user.id}"
    assert line["tenant_id"] == str(viewer.tenant_id)
    assert line["request_id"] == answer.json["request_id"]
    assert "15551234567" not in json.dumps(line)


@pytest.mark.parametrize("given", ["a b", "x" * 65, "<script>", ""])
def test_an_id_of_another_form_is_not_taken_over(nobody: ApiClient, given: str) -> None:
    answer = nobody.get("/api/health", headers={"X-Request-Id": given})
    assert answer.headers["X-Request-Id"] != given
    assert our_logging.REQUEST_ID.fullmatch("a\nb") is None


@pytest.mark.parametrize("exists", [True, False])
def test_a_refused_sign_in_is_logged_without_name_and_password(
    lines: Lines, nobody: ApiClient, owner: User, exists: bool
) -> None:
    username = owner.username if exists else f"nobody-{uuid4().hex}"
    nobody.post("/auth/login", {"username": username, "password": "wrong guess"})
    found = lines()
    line = named(found, "sign_in_refused")
    assert (line["code"], line["network"]) == ("invalid_credentials", "127.0.0.1")
    assert username not in json.dumps(found)
    assert "wrong guess" not in json.dumps(found)


def test_no_token_key_or_password_is_logged(lines: Lines, app: Flask, owner: User) -> None:
    body = {"username": owner.username, "password": PASSWORD}
    pair = ApiClient(app).post("/auth/login", body).json
    client = ApiClient(app, pair["access_token"])
    key = client.post("/auth/api-keys", {"name": "shop"}).json["key"]
    ApiClient(app, key).get("/auth/me")
    client.post("/auth/refresh", {"refresh_token": pair["refresh_token"]})
    text = json.dumps(lines())
    assert "request" in text
    for secret in (PASSWORD, pair["access_token"], pair["refresh_token"], key):
        assert secret not in text


def test_a_failing_row_is_not_logged(lines: Lines) -> None:
    words = "duplicate key\nDETAIL:  Failing row contains (Ana, +15551234567).\n"
    try:
        raise ValueError(words)
    except ValueError:
        structlog.get_logger("app.test").exception("broke")
    (line,) = lines()
    assert "duplicate key" in line["exception"]
    assert "Ana" not in line["exception"]


def test_a_bug_is_logged_in_full_and_answered_without_detail(
    lines: Lines, app: Flask, nobody: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("secret detail of the inside")

    monkeypatch.setitem(app.view_functions, "state.get_alive", broken)
    monkeypatch.setitem(app.config, "PROPAGATE_EXCEPTIONS", False)
    answer = nobody.get("/api/health")
    line = named(lines(), "unexpected_error")
    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text
    assert "secret detail of the inside" in line["exception"]
    assert line["request_id"] == answer.json["request_id"]
