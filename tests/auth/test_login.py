"""Signing in: the contract's answers, and no information for an attacker."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

from app import config, db
from app.auth import passwords
from app.config import Environment
from app.models import Tenant, TenantStatus, User, UserStatus
from tests.factories import PASSWORD, ApiClient, create_tenant, create_user


def login(nobody: ApiClient, username: object, password: object = PASSWORD) -> tuple[int, dict]:
    answer = nobody.post("/auth/login", {"username": username, "password": password})
    assert answer.json is not None
    return answer.status_code, answer.json


class CountingHasher:
    """The real hasher; counts how often a password is checked against a hash, and which."""

    def __init__(self, real: PasswordHasher) -> None:
        self.real = real
        self.checked: list[str] = []

    def verify(self, password_hash: str, password: bytes) -> bool:
        self.checked.append(password_hash)
        return self.real.verify(password_hash, password)

    def __getattr__(self, name: str) -> object:
        return getattr(self.real, name)


@pytest.fixture
def hasher(monkeypatch: pytest.MonkeyPatch) -> CountingHasher:
    counting = CountingHasher(passwords.HASHER)
    monkeypatch.setattr(passwords, "HASHER", counting)
    return counting


def test_the_right_pair_gets_tokens_that_work(nobody: ApiClient, owner: User) -> None:
    status, body = login(nobody, owner.username)
    assert status == 200
    assert set(body) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    me = ApiClient(nobody.app, body["access_token"]).get("/auth/me")
    assert me.json["id"] == str(owner.id)


def test_the_username_is_taken_in_any_case(nobody: ApiClient, owner: User) -> None:
    assert login(nobody, owner.username.upper())[0] == 200


def test_a_trailing_slash_does_not_lose_the_body(nobody: ApiClient, owner: User) -> None:
    body = {"username": owner.username, "password": PASSWORD}
    assert nobody.post("/auth/login/", body).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        {"username": "a"},
        {"password": "b"},
        {"username": "", "password": "b"},
        {"username": "a", "password": None},
        {"password": 3},
    ],
)
def test_a_missing_field_is_400(nobody: ApiClient, body: object) -> None:
    answer = nobody.post("/auth/login", body)
    assert (answer.status_code, answer.json["code"]) == (400, "missing_field")
    assert answer.json["details"]["fields"]


@pytest.mark.parametrize(
    "value", [1, 1.5, True, ["demo"], {"$ne": ""}, "a\x00b", "\ud800", "x" * 2000]
)
@pytest.mark.parametrize("field", ["username", "password"])
def test_a_field_of_a_wrong_kind_is_422(nobody: ApiClient, field: str, value: object) -> None:
    answer = nobody.post("/auth/login", {"username": "someone", "password": "x", field: value})
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
    assert field in answer.json["details"]["fields"]


def test_an_unknown_field_is_422(nobody: ApiClient) -> None:
    body = {"username": "someone", "password": "x", "tenant": "y"}
    assert nobody.post("/auth/login", body).status_code == 422


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/auth/login", data=body, content_type="application/json")
    assert answer.status_code in {400, 422}
    assert answer.get_json()["success"] is False


def wrong_pairs(tenant: Tenant, owner: User) -> dict[str, tuple[str, str]]:
    disabled = create_user(tenant.id, status=UserStatus.DISABLED)
    closed = create_user(create_tenant(status=TenantStatus.CLOSED).id)
    return {
        "a wrong password": (owner.username, "not the password"),
        "no such user": ("nobody-has-this-name", PASSWORD),
        "emoji": ("🦊🦊🦊", "🦊" * 40),
        "a disabled user": (disabled.username, PASSWORD),
        "a closed tenant": (closed.username, PASSWORD),
    }


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """The statements sent to the database."""
    sent: list[str] = []

    def note(*event_arguments: object) -> None:
        sent.append(str(event_arguments[2]))

    engine = db.Database.engine
    assert engine is not None
    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def test_every_wrong_pair_gets_one_answer_after_the_same_work(
    nobody: ApiClient,
    tenant: Tenant,
    owner: User,
    hasher: CountingHasher,
    statements: list[str],
) -> None:
    answers, asked = set(), set()
    for why, (username, password) in wrong_pairs(tenant, owner).items():
        hasher.checked.clear()
        statements.clear()
        status, body = login(nobody, username, password)
        assert len(hasher.checked) == 1, why
        assert hasher.checked[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$"), why
        answers.add((status, body["error"], body["code"], str(body["details"])))
        asked.add(tuple(statements))
    assert len(answers) == len(asked) == 1
    assert answers.pop()[0] == 401


def test_the_dummy_hash_is_checked_in_full() -> None:
    """argon2 refuses a malformed hash at once; a well-formed one costs the full work."""
    assert not passwords.needs_rehash(passwords.dummy_hash())
    with pytest.raises(VerificationError, match="does not match"):
        passwords.HASHER.verify(passwords.dummy_hash(), b"anything")


def test_a_hash_of_weaker_parameters_is_replaced(nobody: ApiClient, tenant: Tenant) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD.encode())
    user = create_user(tenant.id, password_hash=weak)
    assert login(nobody, user.username)[0] == 200
    with db.tenant_session(tenant.id) as session:
        renewed = session.get_one(User, (tenant.id, user.id)).password_hash
    assert renewed != weak
    assert not passwords.needs_rehash(renewed)
    assert login(nobody, user.username)[0] == 200


def test_a_rush_of_sign_ins_is_told_to_wait(nobody: ApiClient, owner: User) -> None:
    """One hash is computed and some wait; who comes then holds no thread of the web service."""
    go_on = threading.Event()
    with ThreadPoolExecutor(1 + passwords.MOST_WAITING) as clients:
        for _ in range(1 + passwords.MOST_WAITING):
            clients.submit(passwords.budget.run, go_on.wait)
        while passwords.budget._places.acquire(blocking=False):
            passwords.budget._places.release()
        answer = nobody.post("/auth/login", {"username": owner.username, "password": PASSWORD})
        go_on.set()
    assert (answer.status_code, answer.json["code"]) == (503, "overloaded")
    assert int(answer.headers["Retry-After"]) > 0
    assert login(nobody, owner.username)[0] == 200


def test_a_crowd_of_members_changes_keeps_nobody_from_signing_in(
    signed_in: ApiClient, nobody: ApiClient, owner: User
) -> None:
    go_on = threading.Event()
    members = passwords.signed_in_budget
    with ThreadPoolExecutor(1 + passwords.MOST_SIGNED_IN_WAITING) as clients:
        for _ in range(1 + passwords.MOST_SIGNED_IN_WAITING):
            clients.submit(members.run, go_on.wait)
        while members._places.acquire(blocking=False):
            members._places.release()
        new = {"username": "somebody.else", "password": PASSWORD, "role": "agent"}
        own = {"current_password": PASSWORD, "new_password": "another long password"}
        refused = [
            signed_in.post("/tenants/me/users", new),
            signed_in.post("/auth/change-password", own),
            signed_in.post("/auth/second-factor", {"current_password": PASSWORD}),
        ]
        allowed = login(nobody, owner.username)
        go_on.set()
    assert [each.json["code"] for each in refused] == ["overloaded"] * 3
    assert allowed[0] == 200


def test_a_hash_that_takes_too_long_is_given_up(
    nobody: ApiClient, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "LONGEST_WAIT_SECONDS", 0.05)
    go_on = threading.Event()
    with ThreadPoolExecutor(1) as client:
        client.submit(passwords.budget.run, go_on.wait)
        while not passwords.budget._thread._work_queue.empty():
            pass
        answer = nobody.post("/auth/login", {"username": owner.username, "password": PASSWORD})
        go_on.set()
    assert (answer.status_code, answer.json["code"]) == (503, "overloaded")


def test_hashes_are_computed_at_a_low_priority() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = niceness()
    assert passwords.budget.run(niceness) == passwords.NICENESS
    assert niceness() == before


@pytest.fixture
def demo_user(tenant: Tenant) -> User:
    return create_user(tenant.id, password=passwords.DEMO_PASSWORD)


@pytest.mark.parametrize(
    ("environment", "url", "address", "status"),
    [
        (Environment.DEVELOPMENT, "http://127.0.0.1:8000", "127.0.0.1", 200),
        (Environment.DEVELOPMENT, "http://localhost:8000", "::1", 200),
        (Environment.DEVELOPMENT, "http://127.0.0.1:8000", "192.0.2.7", 401),
        (Environment.DEVELOPMENT, "https://recado.example.com", "127.0.0.1", 401),
        (Environment.TEST, "http://127.0.0.1:8000", "127.0.0.1", 401),
        (Environment.PRODUCTION, "https://localhost", "127.0.0.1", 401),
    ],
)
def test_the_demo_password_opens_on_the_developers_machine_only(
    app: Flask,
    demo_user: User,
    monkeypatch: pytest.MonkeyPatch,
    environment: Environment,
    url: str,
    address: str,
    status: int,
) -> None:
    changed = replace(config.current(), app_env=environment, public_base_url=url)
    monkeypatch.setattr(config.InForce, "settings", changed)
    answer = app.test_client().post(
        "/auth/login",
        json={"username": demo_user.username, "password": "password"},
        environ_overrides={"REMOTE_ADDR": address},
    )
    assert answer.status_code == status


def test_nobody_can_choose_the_demo_password(signed_in: ApiClient) -> None:
    body = {"current_password": PASSWORD, "new_password": "Password"}
    answer = signed_in.post("/auth/change-password", body)
    assert answer.status_code == 422
    assert "new_password" in answer.json["details"]["fields"]
