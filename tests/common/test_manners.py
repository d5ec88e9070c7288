"""What every answer of the API has in common: its errors, its times, its headers and its limits."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask

from app import config, create_app
from app.auth.tokens import TokenType, encode
from app.config import Environment, Settings
from app.models import KeyMode, User
from tests.factories import ApiClient, create_api_key, create_session, token_facts


def test_the_root_leads_to_the_docs(nobody: ApiClient) -> None:
    answer = nobody.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/docs")


def test_the_error_names_the_first_field_and_its_reason(signed_in: ApiClient) -> None:
    one = signed_in.post("/api/send", {"body": "hola", "to_number": "5512345678"})
    assert one.status_code == 422
    assert one.json["error"].startswith("to_number: The country of this number is not clear.")
    several = signed_in.post("/channels", {})
    assert several.json["error"].endswith("more: see details.fields.")
    name, _, reason = several.json["error"].partition(": ")
    (expected,) = several.json["details"]["fields"][name]
    assert reason.startswith(expected)


@pytest.mark.parametrize(
    ("given", "meant"), [("to_numbr", "to_number"), ("Body", "body"), ("send_att", "send_at")]
)
def test_an_unknown_field_names_the_nearest_one(
    signed_in: ApiClient, given: str, meant: str
) -> None:
    answer = signed_in.post("/api/send", {given: "x"})
    reasons = answer.json["details"]["fields"][given]
    assert reasons == [f"Unknown field. Did you mean {meant}?"]


def test_an_unknown_field_like_no_other_is_only_refused(signed_in: ApiClient) -> None:
    answer = signed_in.post("/api/send", {"zzzz": "x"})
    assert answer.json["details"]["fields"]["zzzz"] == ["Unknown field."]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/messages/abc", "message_id"),
        ("/api/messages/abc/timeline/", "message_id"),
        ("/channels/1", "channel_id"),
        ("/tenants/me/users/42", "user_id"),
    ],
)
def test_an_id_that_is_no_uuid_is_named(signed_in: ApiClient, path: str, name: str) -> None:
    answer = signed_in.get(path)
    assert answer.status_code == 404
    assert answer.json["error"].startswith(f"{name} must be a UUID such as ")


def test_an_address_without_a_route_is_only_not_found(signed_in: ApiClient) -> None:
    for path in ("/api/nothing", f"/api/nothing/{uuid4()}", "/channels/a/b/c"):
        assert signed_in.get(path).json["error"] == "There is nothing at this address."


def test_times_end_in_z_and_are_accepted_as_they_were_answered(signed_in: ApiClient) -> None:
    made = signed_in.post("/api/keyword-replies", {"keywords": ["zeta"], "reply": "z"}).json
    assert made["created_at"].endswith("Z")
    key = signed_in.post("/auth/api-keys", {"name": "k", "expires_at": "2030-01-01T00:00:00Z"})
    assert key.json["expires_at"] == "2030-01-01T00:00:00Z"
    assert signed_in.get(f"/api/messages?since={made['created_at']}").status_code == 200


def test_a_refresh_token_is_named_where_an_access_token_is_wanted(app: Flask, owner: User) -> None:
    facts = token_facts(owner, create_session(owner), type=TokenType.REFRESH)
    with app.test_request_context():
        refresh = encode(facts)
    answer = ApiClient(app, refresh).get("/auth/me")
    assert (answer.status_code, answer.json["code"]) == (401, "token_invalid")
    assert "This is a refresh token" in answer.json["error"]


@pytest.mark.parametrize("mode", list(KeyMode))
def test_an_api_key_may_ask_who_it_is(app: Flask, owner: User, mode: KeyMode) -> None:
    key, text = create_api_key(owner.tenant_id, mode=mode, scopes=["messages:read"])
    answer = ApiClient(app, text).get("/auth/me")
    assert answer.status_code == 200
    found = answer.json
    assert (found["type"], found["id"], found["mode"]) == ("api_key", str(key.id), str(mode))
    assert (found["username"], found["role"]) == (None, None)
    assert found["permissions"] == ["messages:read", "profile"]


def test_a_person_may_ask_who_they_are(signed_in: ApiClient) -> None:
    found = signed_in.get("/auth/me").json
    assert (found["type"], found["role"], found["mode"]) == ("user", "owner", None)


@pytest.mark.parametrize("path", ["/auth/me", "/docs", "/openapi.json", "/nothing"])
def test_every_answer_has_the_headers_that_protect_a_browser(
    nobody: ApiClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = replace(config.current(), public_base_url="https://recado.example.com")
    assert "Strict-Transport-Security" not in nobody.get(path).headers
    monkeypatch.setattr(config.InForce, "settings", public)
    headers = nobody.get(path).headers
    assert headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cache-Control"] in {"no-store", "no-cache"}
    assert "microphone=()" in headers["Permissions-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_callers_requests_count_together_whatever_the_route(signed_in: ApiClient) -> None:
    first, second, third = (
        int(signed_in.get(path).headers["X-RateLimit-Remaining"])
        for path in ("/auth/me", "/channels", "/api/messages")
    )
    assert (first - second, second - third) == (1, 1)


def test_only_an_answer_that_asks_to_wait_says_how_long(
    app: Flask, signed_in: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = signed_in.get("/auth/me")
    assert "Retry-After" not in answer.headers
    assert not any(name.lower().endswith("-wait") for name, _ in answer.headers)
    monkeypatch.setitem(app.config, "TENANT_RATE_LIMIT", "1 per hour")
    refused = [signed_in.get(path) for path in ("/auth/me", "/channels")][-1]
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 3600


def test_large_answers_are_compressed_for_those_who_accept_it(signed_in: ApiClient) -> None:
    plain = signed_in.get("/openapi.json")
    assert plain.headers.get("Content-Encoding") is None
    assert "Accept-Encoding" in plain.headers["Vary"]
    packed = signed_in.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data) / 3


def test_small_answers_are_not_compressed(signed_in: ApiClient) -> None:
    answer = signed_in.get("/auth/me", headers={"Accept-Encoding": "gzip"})
    assert answer.headers.get("Content-Encoding") is None


@contextmanager
def app_with(settings: Settings, **changes: Any) -> Iterator[Flask]:
    """Another service with other settings."""
    try:
        yield create_app(replace(settings, **changes))
    finally:
        create_app(settings)


def ask_from(app: Flask, origin: str, method: str = "POST") -> dict[str, str]:
    answer = app.test_client().options(
        "/api/send",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "Authorization, Content-Type, Idempotency-Key",
        },
    )
    return dict(answer.headers)


def test_pages_of_named_origins_may_call(settings: Settings) -> None:
    with app_with(settings, cors_origins=("https://app.example.com",)) as app:
        allowed = ask_from(app, "https://app.example.com")
        refused = ask_from(app, "https://evil.example")
    assert allowed["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "Idempotency-Key".lower() in allowed["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in allowed
    assert "Access-Control-Allow-Origin" not in refused


def test_without_the_setting_no_page_may_call(app: Flask) -> None:
    assert "Access-Control-Allow-Origin" not in ask_from(app, "https://app.example.com")


@pytest.mark.parametrize(
    ("environment", "host", "status"),
    [
        (Environment.DEVELOPMENT, "localhost:8000", 200),
        (Environment.DEVELOPMENT, "127.0.0.1:8000", 200),
        (Environment.DEVELOPMENT, "recado.test", 200),
        (Environment.DEVELOPMENT, "rebound.attacker.example:8000", 400),
        (Environment.TEST, "rebound.attacker.example", 200),
    ],
)
def test_a_developers_machine_answers_to_its_own_names(
    settings: Settings, environment: Environment, host: str, status: int
) -> None:
    changes = {"app_env": environment, "public_base_url": "http://recado.test"}
    with app_with(settings, **changes) as app:
        answer = app.test_client().get("/api/health", headers={"Host": host})
    assert answer.status_code == status
    if status == 400:
        assert "PUBLIC_BASE_URL" in answer.get_json()["error"]
