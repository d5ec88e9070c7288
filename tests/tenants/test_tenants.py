"""Tenants: managed by platform administrators, described by their own owners."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select

from app import db
from app.auth import passwords
from app.bots import service as bots
from app.common import idempotency
from app.models import KeywordReply, Role, Tenant, User
from app.tenants import service
from tests.conftest import SignIn
from tests.factories import (
    PASSWORD,
    Answer,
    ApiClient,
    create_api_key,
    create_tenant,
)


def walk(client: ApiClient, pages: int) -> list[str]:
    """Return the ids of the first tenants, page by page."""
    found: list[str] = []
    query: dict[str, object] = {"limit": 3}
    for _ in range(pages):
        page = client.get("/tenants", query=query).json
        found += [each["id"] for each in page["items"]]
        query["cursor"] = page["next_cursor"]
    return found


def test_a_tenant_is_made_with_an_owner_who_can_sign_in(
    platform_admin: ApiClient, nobody: ApiClient
) -> None:
    name = f"owner-{uuid4().hex}"
    owner = {"username": name, "password": PASSWORD, "name": "Eva"}
    body = {"name": "Panadería", "timezone": "America/Bogota", "language": "es", "owner": owner}
    answer = platform_admin.post("/tenants", body)
    assert answer.status_code == 201, answer.json
    assert answer.json["status"] == "active"
    signed = nobody.post("/auth/login", {"username": name, "password": PASSWORD})
    me = ApiClient(nobody.app, signed.json["access_token"]).get("/auth/me").json
    assert (me["role"], me["tenant"]["id"]) == ("owner", answer.json["id"])
    assert me["tenant"]["timezone"] == "America/Bogota"
    with db.tenant_session(UUID(answer.json["id"])) as session:
        assert session.scalar(select(func.count()).select_from(KeywordReply))


def test_a_taken_username_makes_no_tenant(platform_admin: ApiClient, owner: User) -> None:
    before = walk(platform_admin, 1)
    body = {"name": "Twin", "owner": {"username": owner.username, "password": PASSWORD}}
    answer = platform_admin.post("/tenants", body)
    assert (answer.status_code, answer.json["code"]) == (409, "username_taken")
    assert walk(platform_admin, 1) == before


class Killed(BaseException):
    """Stands for the death of the process."""


def die(*_: object, **__: object) -> None:
    raise Killed


def named(client: ApiClient, name: str) -> list[str]:
    """Return the ids of the newest tenants that have this name."""
    page = client.get("/tenants", query={"limit": 50}).json
    return [each["id"] for each in page["items"] if each["name"] == name]


@pytest.mark.parametrize("has_owner", [True, False])
@pytest.mark.parametrize(
    ("module", "step"),
    [(service, "create_tenant"), (bots, "create_default_replies"), (idempotency, "keep_answer")],
)
def test_a_key_makes_one_tenant_whenever_the_process_dies(
    platform_admin: ApiClient,
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    step: str,
    has_owner: bool,
) -> None:
    name = f"Tenant {uuid4()}"
    owner = {"username": f"owner-{uuid4().hex}", "password": PASSWORD}
    body = {"name": name, "owner": owner if has_owner else None}
    with monkeypatch.context() as patch:
        patch.setattr(module, step, die)
        with pytest.raises(Killed):
            platform_admin.post("/tenants", body, idempotency_key=name)
    again = [platform_admin.post("/tenants", body, idempotency_key=name) for _ in range(2)]
    assert [answer.status_code for answer in again] == [201, 201], again[0].json
    assert again[0].json == again[1].json
    assert again[1].headers["Idempotency-Replayed"] == "true"
    assert named(platform_admin, name) == [again[0].json["id"]]


def test_simultaneous_posts_of_one_key_make_one_tenant(platform_admin: ApiClient) -> None:
    name = f"Tenant {uuid4()}"

    def post(_: int) -> Answer:
        return platform_admin.post("/tenants", {"name": name}, idempotency_key=name)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(post, range(16)))
    assert {answer.status_code for answer in answers} == {201}
    assert [{answer.text for answer in answers}] == [{answers[0].text}]
    assert named(platform_admin, name) == [answers[0].json["id"]]


def test_a_key_whose_request_failed_may_be_used_for_a_better_one(
    platform_admin: ApiClient, owner: User
) -> None:
    name = f"Tenant {uuid4()}"
    body = {"name": name, "owner": {"username": owner.username, "password": PASSWORD}}
    failed = platform_admin.post("/tenants", body, idempotency_key=name)
    assert (failed.status_code, failed.json["code"]) == (409, "username_taken")
    body["owner"] = {"username": f"owner-{uuid4().hex}", "password": PASSWORD}
    assert platform_admin.post("/tenants", body, idempotency_key=name).status_code == 201


def test_all_tenants_are_listed_newest_first(platform_admin: ApiClient) -> None:
    made = [str(create_tenant().id) for _ in range(4)]
    assert walk(platform_admin, 2)[:4] == made[::-1]
    assert platform_admin.get("/tenants", query={"cursor": "x"}).status_code == 422


def test_a_tenant_is_read_and_changed(platform_admin: ApiClient, tenant: Tenant) -> None:
    path = f"/tenants/{tenant.id}"
    assert platform_admin.get(path).json["name"] == tenant.name
    body = {"name": "New name", "daily_message_quota": 500}
    answer = platform_admin.put(path, body)
    assert answer.status_code == 200, answer.json
    assert (answer.json["name"], answer.json["daily_message_quota"]) == ("New name", 500)
    assert platform_admin.get(path).json == answer.json


@pytest.mark.parametrize("way", ["DELETE", "PUT"])
def test_closing_refuses_people_and_keys_at_once_and_opening_lets_them_in(
    app: Flask, platform_admin: ApiClient, signed_in: ApiClient, nobody: ApiClient, way: str
) -> None:
    path = f"/tenants/{signed_in.tenant_id}"
    key = ApiClient(app, create_api_key(signed_in.tenant_id)[1])
    login = {"username": signed_in.user.username, "password": PASSWORD}
    assert key.get("/tenants/me").status_code == 200
    body = {"status": "closed"} if way == "PUT" else None
    assert platform_admin.request(way, path, body).status_code in {200, 204}
    assert signed_in.get("/auth/me").status_code == 401
    assert key.get("/tenants/me").status_code == 401
    assert nobody.post("/auth/login", login).json["code"] == "invalid_credentials"
    assert platform_admin.get(path).json["status"] == "closed"
    assert platform_admin.put(path, {"status": "active"}).status_code == 200
    assert nobody.post("/auth/login", login).status_code == 200
    assert key.get("/tenants/me").status_code == 200
    assert signed_in.get("/auth/me").json["code"] == "token_revoked"


def test_the_platforms_own_tenant_is_not_closed(platform_admin: ApiClient) -> None:
    answer = platform_admin.delete(f"/tenants/{platform_admin.tenant_id}")
    assert (answer.status_code, answer.json["code"]) == (409, "platform_tenant")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_tenant_that_does_not_exist_is_404(platform_admin: ApiClient, method: str) -> None:
    body = {"name": "x"} if method == "PUT" else None
    assert platform_admin.request(method, f"/tenants/{uuid4()}", body).status_code == 404
    assert platform_admin.request(method, "/tenants/not-an-id", body).status_code == 404


@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN, Role.AGENT, Role.VIEWER])
def test_a_tenants_people_do_not_see_the_platform(
    sign_in: SignIn, outsider: ApiClient, role: Role
) -> None:
    client = sign_in(role)
    for path in (f"/tenants/{client.tenant_id}", f"/tenants/{outsider.tenant_id}"):
        for method, body in (("GET", None), ("PUT", {"name": "x"}), ("DELETE", None)):
            assert client.request(method, path, body).json["code"] == "permission_denied"
    assert client.get("/tenants").status_code == 403
    assert client.post("/tenants", {"name": "x"}).status_code == 403


def test_a_demoted_platform_admin_lists_nothing(platform_admin: ApiClient) -> None:
    with db.tenant_session(platform_admin.tenant_id) as session:
        row = session.get_one(User, (platform_admin.tenant_id, platform_admin.user.id))
        row.role = Role.OWNER
    assert platform_admin.get("/tenants").status_code == 403


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": 7},
        {"name": "x" * 201},
        {"name": "a\x00"},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../../etc/passwd"},
        {"language": "tlh"},
        {"daily_message_quota": -1},
        {"daily_message_quota": "7"},
        {"daily_message_quota": 1e30},
        {"status": "gone"},
        {"id": "x"},
    ],
)
def test_a_field_that_does_not_validate_is_422(
    platform_admin: ApiClient, tenant: Tenant, change: dict
) -> None:
    answer = platform_admin.put(f"/tenants/{tenant.id}", change)
    assert (answer.status_code, answer.json["code"]) == (422, "validation_error")
    assert set(answer.json["details"]["fields"]) == set(change)


def test_an_owner_with_a_weak_password_is_refused(platform_admin: ApiClient) -> None:
    body = {"name": "x", "owner": {"username": "someone-new", "password": passwords.DEMO_PASSWORD}}
    answer = platform_admin.post("/tenants", body)
    assert answer.status_code == 422
    assert "owner.password" in answer.json["details"]["fields"]


def test_an_owner_describes_the_own_tenant(signed_in: ApiClient) -> None:
    answer = signed_in.put("/tenants/me", {"name": "Café", "timezone": "America/Lima"})
    assert answer.status_code == 200
    assert (answer.json["name"], answer.json["timezone"]) == ("Café", "America/Lima")
    assert signed_in.get("/tenants/me").json == answer.json
    entry = signed_in.get("/tenants/me/audit").json["items"][0]
    assert (entry["action"], entry["changes"]["timezone"]) == (
        "tenant.updated",
        ["UTC", "America/Lima"],
    )


@pytest.mark.parametrize("change", [{"daily_message_quota": 1}, {"status": "active"}])
def test_an_owner_does_not_set_what_the_platform_decides(
    signed_in: ApiClient, change: dict
) -> None:
    assert signed_in.put("/tenants/me", change).status_code == 422


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AGENT, Role.VIEWER])
def test_others_read_but_do_not_change_it(sign_in: SignIn, role: Role) -> None:
    client = sign_in(role)
    assert client.get("/tenants/me").status_code == 200
    assert client.put("/tenants/me", {"name": "x"}).status_code == 403


def test_the_audit_log_shows_one_tenant(signed_in: ApiClient, outsider: ApiClient) -> None:
    outsider.put("/tenants/me", {"name": "Other"})
    assert signed_in.get("/tenants/me/audit").json["items"] == []


@pytest.mark.parametrize("role", [Role.AGENT, Role.VIEWER])
def test_small_roles_do_not_read_the_audit_log(sign_in: SignIn, role: Role) -> None:
    assert sign_in(role).get("/tenants/me/audit").status_code == 403


def test_the_same_idempotency_key_makes_one_tenant(platform_admin: ApiClient) -> None:
    body = {"name": f"Once {uuid4()}"}
    first = platform_admin.post("/tenants", body, idempotency_key=str(uuid4()))
    again = platform_admin.post(
        "/tenants", body, idempotency_key=first.request.headers["Idempotency-Key"]
    )
    assert first.json == again.json
