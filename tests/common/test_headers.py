"""What every answer tells a browser, and which headers of a request count.

Asked over every route, so that a new one is checked too.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask, request
from werkzeug.test import TestResponse

from app import config, create_app
from app.config import Settings
from tests.architecture.test_routes import calls, filled
from tests.factories import ApiClient

POLICY = ("default-src 'none'", "object-src 'none'", "base-uri 'none'", "frame-ancestors 'none'")


def answers(app: Flask) -> Iterator[tuple[str, TestResponse]]:
    """Yield the answer of each route to a stranger, of other methods, and of no route."""
    client = app.test_client()
    for call, rule in calls(app):
        method, path = call.split(" ")[0], filled(rule)
        yield call, client.open(path, method=method, json={})
    for method, path, data in (
        ("OPTIONS", "/api/send", b""),
        ("TRACE", "/api/send", b""),
        ("HEAD", "/docs", b""),
        ("GET", "/nothing", b""),
        ("POST", "/auth/login", b"x" * 2_000_000),
        ("POST", "/auth/login", b"{"),
        ("GET", "/docs/nothing.js", b""),
    ):
        yield f"{method} {path}", client.open(path, method=method, data=data)


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is reached by TLS."""
    changed = replace(config.current(), public_base_url="https://recado.example.com")
    monkeypatch.setattr(config.InForce, "settings", changed)


@pytest.mark.usefixtures("public")
def test_every_answer_of_every_route_has_the_headers_that_protect_a_browser(app: Flask) -> None:
    for call, answer in answers(app):
        headers = answer.headers
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains", call
        assert all(part in headers["Content-Security-Policy"] for part in POLICY), call
        assert "camera=()" in headers["Permissions-Policy"], call
        assert headers["X-Content-Type-Options"] == "nosniff", call
        assert headers["X-Frame-Options"] == "DENY", call
        assert headers["Referrer-Policy"] == "same-origin", call


def test_every_answer_with_data_is_kept_by_no_cache(app: Flask) -> None:
    """The files of the docs page may be kept, and are asked for each time."""
    for call, answer in answers(app):
        expected = {"no-store"} if "/docs" not in call else {"no-store", "no-cache"}
        assert answer.headers["Cache-Control"] in expected, call


def test_every_body_says_what_it_is(app: Flask) -> None:
    for call, answer in answers(app):
        if not answer.data:
            continue
        kind = answer.headers["Content-Type"]
        assert answer.mimetype, call
        if kind.startswith("text/") or "xml" in kind:
            assert "charset=utf-8" in kind.replace("UTF-8", "utf-8"), (call, kind)
        if kind.startswith("application/json"):
            assert answer.get_json() is not None, call


def test_no_answer_sets_a_cookie(app: Flask, signed_in: ApiClient) -> None:
    assert [call for call, answer in answers(app) if "Set-Cookie" in answer.headers] == []
    body = {"username": signed_in.user.username, "password": "wrong"}
    for answer in (signed_in.get("/auth/me"), signed_in.post("/auth/login", body)):
        assert "Set-Cookie" not in answer.headers


def test_no_route_answers_trace(app: Flask) -> None:
    client = app.test_client()
    for call, rule in calls(app):
        assert client.open(filled(rule), method="TRACE").status_code == 405, call


def test_a_safe_method_changes_nothing(app: Flask) -> None:
    """A view that writes is not reached by GET: its permission would end in `write` or `send`."""
    for call, rule in calls(app):
        permission = str(getattr(app.view_functions[rule.endpoint], "permission", ""))
        if permission.endswith((":write", ":send")):
            assert not call.startswith("GET "), call


@pytest.mark.parametrize(
    ("proxies", "forwarded", "counted"),
    [
        (0, "198.51.100.7", "203.0.113.9"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "192.0.2.66, 198.51.100.7", "198.51.100.7"),
        (2, "192.0.2.66, 198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (1, "", "203.0.113.9"),
    ],
)
def test_a_caller_cannot_invent_an_address(
    settings: Settings, proxies: int, forwarded: str, counted: str
) -> None:
    """Only what the trusted proxies added counts: the limits and the log of sign-ins rely on it."""
    try:
        app = create_app(replace(settings, trusted_proxies=proxies))
        seen: list[str | None] = []

        @app.before_request
        def look() -> None:
            seen.append(request.remote_addr)

        headers = {"X-Forwarded-For": forwarded, "X-Real-Ip": "192.0.2.66"}
        app.test_client().get(
            "/api/health", headers=headers, environ_overrides={"REMOTE_ADDR": "203.0.113.9"}
        )
    finally:
        create_app(settings)
    assert seen == [counted]


def test_a_forwarded_host_or_scheme_changes_no_address_of_ours(
    signed_in: ApiClient,
) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "gopher"}
    answer = signed_in.get("/", headers=headers)
    assert answer.headers["Location"] == "/docs"
    assert "evil.example" not in signed_in.get("/openapi.json", headers=headers).text
