"""A person sees their sign-ins and ends them; none lasts for ever."""

from datetime import timedelta

import pytest
import time_machine
from flask import Flask

from app.common import clock
from app.models import Role, Tenant, User
from tests.factories import PASSWORD, ApiClient, client_of, create_user
from tests.world import settings_changed


def sign_in(app: Flask, user: User, agent: str = "test") -> dict[str, str]:
    answer = app.test_client().post(
        "/auth/login",
        json={"username": user.username, "password": PASSWORD},
        headers={"User-Agent": agent},
    )
    assert answer.status_code == 200
    found: dict[str, str] = answer.get_json()
    return found


def test_a_person_sees_and_ends_their_sign_ins(app: Flask, owner: User) -> None:
    here, there = sign_in(app, owner, "Firefox"), sign_in(app, owner, "x" * 1000)
    client = ApiClient(app, here["access_token"])
    listed = client.get("/auth/sessions").json["items"]
    assert [(each["is_current"], each["user_agent"]) for each in listed] == [
        (False, "x" * 200),
        (True, "Firefox"),
    ]
    assert {each["address"] for each in listed} == {"127.0.0.1"}
    assert client.delete(f"/auth/sessions/{listed[0]['id']}").status_code == 204
    assert ApiClient(app, there["access_token"]).get("/auth/me").status_code == 401
    assert client.delete(f"/auth/sessions/{listed[0]['id']}").status_code == 404
    assert len(client.get("/auth/sessions").json["items"]) == 1


def test_all_others_end_at_once(app: Flask, owner: User) -> None:
    others = [sign_in(app, owner) for _ in range(2)]
    client = ApiClient(app, sign_in(app, owner)["access_token"])
    assert client.delete("/auth/sessions").status_code == 204
    for other in others:
        assert ApiClient(app, other["access_token"]).get("/auth/me").status_code == 401
    assert [each["is_current"] for each in client.get("/auth/sessions").json["items"]] == [True]


def test_nobody_sees_or_ends_those_of_others(app: Flask, tenant: Tenant, owner: User) -> None:
    member = create_user(tenant.id, role=Role.ADMIN)
    theirs = client_of(app, member)
    other = ApiClient(app, sign_in(app, owner)["access_token"])
    mine = other.get("/auth/sessions").json["items"]
    assert theirs.delete(f"/auth/sessions/{mine[0]['id']}").status_code == 404
    assert mine[0]["id"] not in {each["id"] for each in theirs.get("/auth/sessions").json["items"]}


def refresh(app: Flask, token: str) -> tuple[int, dict[str, str]]:
    answer = app.test_client().post("/auth/refresh", json={"refresh_token": token})
    return answer.status_code, answer.get_json()


def test_a_sign_in_ends_however_often_it_is_refreshed(app: Flask, owner: User) -> None:
    with (
        settings_changed(sign_in_max_seconds=3600, refresh_token_seconds=1800),
        time_machine.travel(clock.now(), tick=False) as travel,
    ):
        pair = sign_in(app, owner)
        for _ in range(3):
            travel.shift(timedelta(minutes=19))
            status, pair = refresh(app, pair["refresh_token"])
            assert status == 200
        travel.shift(timedelta(minutes=4))
        assert refresh(app, pair["refresh_token"])[0] == 401


def test_a_used_token_is_worth_nothing_once_its_successor_was_used(app: Flask, owner: User) -> None:
    first = sign_in(app, owner)["refresh_token"]
    _, second = refresh(app, first)
    assert refresh(app, first)[0] == 200, "The answer may have been lost."
    assert refresh(app, second["refresh_token"])[0] == 200
    status, body = refresh(app, first)
    assert (status, body["code"]) == (401, "token_revoked")


@pytest.mark.parametrize("password", ["password1", "Iloveyou1", "qwertyuiop"])
def test_common_passwords_are_refused(signed_in: ApiClient, password: str) -> None:
    body = {"current_password": PASSWORD, "new_password": password}
    answer = signed_in.post("/auth/change-password", body)
    assert answer.status_code == 422
    assert "everybody tries first" in answer.json["error"]


def test_the_username_is_no_password(signed_in: ApiClient) -> None:
    new = {"username": "somebody@example.com", "role": "agent"}
    for password in ("somebody", "Somebody@example.com", "somebody2026"):
        answer = signed_in.post("/tenants/me/users", {**new, "password": password})
        assert (answer.status_code, "username" in answer.json["error"]) == (422, True)


@pytest.mark.parametrize("password", ["Recado2026!", "WhatsApp-1234", "12345 recado"])
def test_words_of_this_service_with_digits_are_refused(signed_in: ApiClient, password: str) -> None:
    body = {"current_password": PASSWORD, "new_password": password}
    answer = signed_in.post("/auth/change-password", body)
    assert answer.status_code == 422
    assert "with digits" in answer.json["error"]


@pytest.mark.parametrize(
    "password",
    ["nur kleine worte", "8407219563", "¿qué tal, mañana?", "🦊 im wald 🌲", "x" * 3 + "y" * 197],
)
def test_a_password_may_hold_any_letters(app: Flask, owner: User, password: str) -> None:
    client = ApiClient(app, sign_in(app, owner)["access_token"])
    body = {"current_password": PASSWORD, "new_password": password}
    assert client.post("/auth/change-password", body).status_code == 204
    for given, status in ((password, 200), (password[:-1], 401), (f"{password} ", 401)):
        answer = app.test_client().post(
            "/auth/login", json={"username": owner.username, "password": given}
        )
        assert answer.status_code == status, given


def test_a_password_counts_in_the_case_in_which_it_was_set(app: Flask, owner: User) -> None:
    answer = app.test_client().post(
        "/auth/login", json={"username": owner.username, "password": PASSWORD.upper()}
    )
    assert PASSWORD.upper() != PASSWORD
    assert answer.status_code == 401


def test_removing_a_member_asks_about_their_keys(
    app: Flask, tenant: Tenant, signed_in: ApiClient
) -> None:
    member = create_user(tenant.id, role=Role.ADMIN)
    client = client_of(app, member)
    key = client.post("/auth/api-keys", {"name": "shop"}).json
    assert key["created_by"] == str(member.id)
    path = f"/tenants/me/users/{member.id}"
    refused = signed_in.delete(path)
    assert (refused.status_code, refused.json["code"]) == (409, "has_api_keys")
    assert refused.json["details"]["api_keys"][0]["id"] == key["id"]
    assert signed_in.delete(f"{path}?revoke_api_keys=true").status_code == 204
    assert ApiClient(app, key["key"]).get("/auth/me").status_code == 401


def test_keys_of_a_removed_member_may_stay(
    app: Flask, tenant: Tenant, signed_in: ApiClient
) -> None:
    member = create_user(tenant.id, role=Role.ADMIN)
    key = client_of(app, member).post("/auth/api-keys", {"name": "shop"}).json
    path = f"/tenants/me/users/{member.id}?revoke_api_keys=false"
    assert signed_in.delete(path).status_code == 204
    assert ApiClient(app, key["key"]).get("/auth/me").status_code == 200
