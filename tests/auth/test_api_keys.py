"""API keys: shown once, found by prefix, verified by hash, refused as soon as they are revoked."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from app import db
from app.common.permissions import SCOPES
from app.models import (
    ApiKey,
    AuditEntry,
    IdempotencyKey,
    KeyMode,
    Role,
    Tenant,
    TenantStatus,
)
from tests.conftest import SignIn
from tests.factories import ApiClient, create_api_key

READS_TENANT = "/tenants/me"


def code(answer: object) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]  # type: ignore[attr-defined]


def test_a_new_key_works_and_is_kept_as_a_hash_only(
    app: Flask, signed_in: ApiClient, tenant: Tenant
) -> None:
    answer = signed_in.post("/auth/api-keys", {"name": "Shop"})
    assert answer.status_code == 201, answer.json
    key = answer.json["key"]
    assert re.fullmatch(r"rk_live_[A-Za-z0-9]{12}_[A-Za-z0-9]{43}", key)
    assert set(answer.json["scopes"]) == set(map(str, SCOPES))
    assert ApiClient(app, key).get(READS_TENANT).json["id"] == str(tenant.id)
    listed = signed_in.get("/auth/api-keys").json["items"]
    assert [each["prefix"] for each in listed] == [key.split("_")[2]]
    assert "key" not in listed[0]
    with db.tenant_session(tenant.id) as session:
        assert key.split("_")[3] not in session.scalars(select(ApiKey)).one().secret_hash
        entry = session.scalars(select(AuditEntry)).one()
    assert entry.action == "api_key.created"
    assert key not in str(entry.changes)


def test_a_test_key_says_so(signed_in: ApiClient) -> None:
    answer = signed_in.post("/auth/api-keys", {"name": "Try", "mode": "test"})
    assert answer.json["key"].startswith("rk_test_")
    assert answer.json["mode"] == KeyMode.TEST


def test_a_scoped_key_can_do_that_alone(app: Flask, signed_in: ApiClient) -> None:
    body = {"name": "Reader", "scopes": ["messages:read"]}
    key = signed_in.post("/auth/api-keys", body).json["key"]
    assert code(ApiClient(app, key).get(READS_TENANT)) == (403, "permission_denied")


@pytest.mark.parametrize("path", ["/auth/api-keys", "/tenants/me/users", "/tenants"])
def test_no_key_reaches_people_keys_or_tenants(with_api_key: ApiClient, path: str) -> None:
    assert code(with_api_key.get(path)) == (403, "permission_denied")


@pytest.mark.parametrize(
    "scopes", [["users:write"], ["platform"], ["nonsense"], [], "messages:read", [7], ["a\x00"]]
)
def test_scopes_that_no_key_may_have_are_refused(signed_in: ApiClient, scopes: object) -> None:
    answer = signed_in.post("/auth/api-keys", {"name": "Shop", "scopes": scopes})
    assert code(answer) == (422, "validation_error")
    assert any(path.startswith("scopes") for path in answer.json["details"]["fields"])


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": 7},
        {"mode": "other"},
        {"colour": "red"},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2030-01-01T00:00:00"},
        {"expires_at": "soon"},
        {"name": "a\x00"},
    ],
)
def test_a_field_that_does_not_validate_is_422(signed_in: ApiClient, change: dict) -> None:
    answer = signed_in.post("/auth/api-keys", {"name": "Shop", **change})
    assert code(answer) == (422, "validation_error")


def test_a_stored_scope_that_is_gone_grants_nothing_and_is_not_shown(
    app: Flask, signed_in: ApiClient, tenant: Tenant
) -> None:
    row, key = create_api_key(tenant.id)
    with db.tenant_session(tenant.id) as session:
        session.get_one(ApiKey, (tenant.id, row.id)).scopes = ["contacts:write", "messages:read"]
    shown = signed_in.get("/auth/api-keys").json["items"][0]["scopes"]
    own = ApiClient(app, key).get("/auth/me").json["permissions"]
    assert (shown, own) == (["messages:read"], ["messages:read", "profile"])


@pytest.mark.parametrize("role", [Role.AGENT, Role.VIEWER])
def test_small_roles_make_no_keys(sign_in: SignIn, role: Role) -> None:
    assert sign_in(role).post("/auth/api-keys", {"name": "Shop"}).status_code == 403


def test_a_revoked_key_is_refused_at_once(app: Flask, signed_in: ApiClient) -> None:
    made = signed_in.post("/auth/api-keys", {"name": "Shop"}).json
    client = ApiClient(app, made["key"])
    assert client.get(READS_TENANT).status_code == 200
    path = f"/auth/api-keys/{made['id']}"
    assert signed_in.delete(path).status_code == 204
    assert code(client.get(READS_TENANT)) == (401, "api_key_revoked")
    assert signed_in.get("/auth/api-keys").json["items"] == []
    assert signed_in.delete(path).status_code == 404


def test_another_tenants_key_answers_as_none_at_all(
    signed_in: ApiClient, outsider: ApiClient
) -> None:
    made = outsider.post("/auth/api-keys", {"name": "Shop"}).json
    foreign = signed_in.delete(f"/auth/api-keys/{made['id']}")
    missing = signed_in.delete(f"/auth/api-keys/{UUID(int=7)}")
    assert foreign.status_code == missing.status_code == 404
    kept = ("success", "error", "code", "details")
    assert [foreign.json[k] for k in kept] == [missing.json[k] for k in kept]
    assert len(outsider.get("/auth/api-keys").json["items"]) == 1


def test_an_expired_key_says_so(app: Flask, signed_in: ApiClient) -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    body = {"name": "Shop", "expires_at": moment.isoformat()}
    client = ApiClient(app, signed_in.post("/auth/api-keys", body).json["key"])
    assert client.get(READS_TENANT).status_code == 200
    with time_machine.travel(moment + timedelta(seconds=1)):
        assert code(client.get(READS_TENANT)) == (401, "api_key_expired")


def test_a_closed_tenants_key_is_refused_at_once(with_api_key: ApiClient, tenant: Tenant) -> None:
    assert with_api_key.get(READS_TENANT).status_code == 200
    with db.tenant_session(tenant.id) as session:
        session.get_one(Tenant, tenant.id).status = TenantStatus.CLOSED
    assert code(with_api_key.get(READS_TENANT)) == (401, "api_key_revoked")


@pytest.mark.parametrize("place", [3, 10, 25, 60])
def test_a_changed_letter_is_refused(app: Flask, tenant: Tenant, place: int) -> None:
    key = create_api_key(tenant.id)[1]
    letter = "A" if key[place] != "A" else "B"
    forged = key[:place] + letter + key[place + 1 :]
    assert code(ApiClient(app, forged).get(READS_TENANT)) == (401, "api_key_invalid")


@pytest.mark.parametrize(
    "text", ["rk_", "rk_live_", "rk_live_" + "a" * 5000, "rk_live_ñ_ñ", "rk_x_y"]
)
def test_nonsense_is_refused(app: Flask, text: str) -> None:
    assert code(ApiClient(app, text).get(READS_TENANT)) == (401, "api_key_invalid")


def test_the_mode_cannot_be_swapped(app: Flask, tenant: Tenant) -> None:
    key = create_api_key(tenant.id, mode=KeyMode.TEST)[1]
    forged = key.replace("rk_test_", "rk_live_")
    assert code(ApiClient(app, forged).get(READS_TENANT)) == (401, "api_key_invalid")


def last_used(tenant: Tenant) -> datetime | None:
    with db.tenant_session(tenant.id) as session:
        return session.scalars(select(ApiKey)).one().last_used_at


def test_the_last_use_is_noted_once_a_minute(with_api_key: ApiClient, tenant: Tenant) -> None:
    assert last_used(tenant) is None
    with_api_key.get(READS_TENANT)
    first = last_used(tenant)
    assert first is not None
    with_api_key.get(READS_TENANT)
    assert last_used(tenant) == first
    with db.tenant_session(tenant.id) as session:
        row = session.scalars(select(ApiKey)).one()
        row.last_used_at = first - timedelta(minutes=2)
    with_api_key.get(READS_TENANT)
    later = last_used(tenant)
    assert later is not None
    assert later >= first


def test_a_request_does_not_wait_for_another_that_notes_its_use(
    with_api_key: ApiClient, tenant: Tenant
) -> None:
    with db.tenant_session(tenant.id) as session:
        session.scalars(select(ApiKey).with_for_update()).one()
        assert with_api_key.get(READS_TENANT).status_code == 200


def test_the_same_idempotency_key_gets_the_same_secret_and_one_key(
    signed_in: ApiClient, tenant: Tenant
) -> None:
    body = {"name": "Shop"}
    first = signed_in.post("/auth/api-keys", body, idempotency_key="make-shop-key")
    again = signed_in.post("/auth/api-keys", body, idempotency_key="make-shop-key")
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(signed_in.get("/auth/api-keys").json["items"]) == 1
    with db.tenant_session(tenant.id) as session:
        kept = session.scalars(select(IdempotencyKey)).one().answer
    assert kept is not None
    assert first.json["key"].encode() not in kept
    other = signed_in.post("/auth/api-keys", {"name": "B"}, idempotency_key="make-shop-key")
    assert code(other) == (422, "idempotency_key_reused")


def test_the_list_is_paged(signed_in: ApiClient, tenant: Tenant) -> None:
    made = {str(create_api_key(tenant.id)[0].id) for _ in range(3)}
    first = signed_in.get("/auth/api-keys", query={"limit": 2}).json
    second = signed_in.get(
        "/auth/api-keys", query={"limit": 2, "cursor": first["next_cursor"]}
    ).json
    assert second["next_cursor"] is None
    assert {each["id"] for each in first["items"] + second["items"]} == made
    assert signed_in.get("/auth/api-keys", query={"cursor": "x"}).status_code == 422
