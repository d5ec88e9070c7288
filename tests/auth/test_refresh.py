"""Refresh tokens: used once, repeatable for some seconds, refused after that."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import func, select

from app import db
from app.auth import tokens
from app.auth.tokens import KEYS
from app.common.ids import new_id
from app.config import Settings
from app.models import AuditEntry, RefreshToken, Tenant, TenantStatus, User, UserStatus
from tests.factories import (
    PASSWORD,
    ApiClient,
    create_refresh_token,
    create_session,
    token_facts,
)

Pair = dict[str, str]


@pytest.fixture
def pair(nobody: ApiClient, owner: User) -> Pair:
    """A fresh sign-in of `owner`."""
    answer = nobody.post("/auth/login", {"username": owner.username, "password": PASSWORD})
    assert answer.status_code == 200
    return dict(answer.json)


@pytest.fixture
def traveller() -> Iterator[time_machine.Traveller]:
    """Freeze the clock, so that seconds pass only when a test says so."""
    with time_machine.travel(datetime.now(UTC), tick=False) as travelling:
        yield travelling


def refresh(client: ApiClient, token: str) -> tuple[int, Pair]:
    answer = client.post("/auth/refresh", {"refresh_token": token})
    return answer.status_code, dict(answer.json)


def me(client: ApiClient, pair: Pair) -> int:
    return ApiClient(client.app, pair["access_token"]).get("/auth/me").status_code


def actions(tenant: Tenant) -> list[str]:
    with db.tenant_session(tenant.id) as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def count(tenant: Tenant, model: type[RefreshToken]) -> int:
    with db.tenant_session(tenant.id) as session:
        return session.scalar(select(func.count()).select_from(model)) or 0


def test_a_refresh_answers_new_tokens_that_work(nobody: ApiClient, pair: Pair) -> None:
    status, renewed = refresh(nobody, pair["refresh_token"])
    assert status == 200
    assert renewed["refresh_token"] != pair["refresh_token"]
    assert me(nobody, renewed) == 200
    assert refresh(nobody, renewed["refresh_token"])[0] == 200


def test_a_repeat_within_the_grace_gets_the_same_successor(
    nobody: ApiClient, pair: Pair, traveller: time_machine.Traveller
) -> None:
    _, first = refresh(nobody, pair["refresh_token"])
    traveller.shift(9)
    status, second = refresh(nobody, pair["refresh_token"])
    assert status == 200
    assert second["refresh_token"] == first["refresh_token"]
    assert me(nobody, second) == 200


def test_a_later_repeat_ends_the_whole_sign_in(
    nobody: ApiClient, tenant: Tenant, pair: Pair, traveller: time_machine.Traveller
) -> None:
    _, renewed = refresh(nobody, pair["refresh_token"])
    traveller.shift(11)
    status, body = refresh(nobody, pair["refresh_token"])
    assert (status, body["code"]) == (401, "token_revoked")
    assert refresh(nobody, renewed["refresh_token"])[1]["code"] == "token_revoked"
    assert me(nobody, renewed) == 401
    assert actions(tenant) == ["session.signed_in", "session.reuse_detected"]


def test_reuse_does_not_end_the_users_other_sign_ins(
    nobody: ApiClient, owner: User, pair: Pair, traveller: time_machine.Traveller
) -> None:
    body = {"username": owner.username, "password": PASSWORD}
    other = dict(nobody.post("/auth/login", body).json)
    refresh(nobody, pair["refresh_token"])
    traveller.shift(11)
    refresh(nobody, pair["refresh_token"])
    assert me(nobody, other) == 200


def test_simultaneous_refreshes_get_one_successor(
    nobody: ApiClient, tenant: Tenant, pair: Pair
) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: refresh(nobody, pair["refresh_token"]), range(8)))
    assert {status for status, _ in answers} == {200}
    assert len({body["refresh_token"] for _, body in answers}) == 1
    assert count(tenant, RefreshToken) == 2


def test_a_refresh_waits_for_the_one_before_it(
    nobody: ApiClient, tenant: Tenant, pair: Pair
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with db.tenant_session(tenant.id) as session:
            used = session.scalars(select(RefreshToken).with_for_update()).one()
            successor = RefreshToken(
                id=new_id(),
                session_id=used.session_id,
                issued_at=used.issued_at,
                expires_at=used.expires_at,
            )
            session.add(successor)
            second = pool.submit(refresh, nobody, pair["refresh_token"])
            with pytest.raises(TimeoutError):
                second.result(timeout=0.3)
            used.used_at, used.successor_id = datetime.now(UTC), successor.id
        status, body = second.result(timeout=10)
    assert status == 200
    with nobody.app.app_context():
        given = tokens.decode(body["refresh_token"], tokens.TokenType.REFRESH)
    assert given.id == successor.id


def test_a_rotated_key_does_not_break_the_grace(
    nobody: ApiClient, pair: Pair, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first = refresh(nobody, pair["refresh_token"])
    new = replace(settings, secret_key="b" * 40, secret_key_previous=settings.secret_key)
    monkeypatch.setitem(nobody.app.config, KEYS, tokens.key_ring(new))
    status, second = refresh(nobody, pair["refresh_token"])
    assert status == 200
    with nobody.app.app_context():
        ids = {
            tokens.decode(each["refresh_token"], tokens.TokenType.REFRESH).id
            for each in (first, second)
        }
    assert len(ids) == 1


def test_an_access_token_cannot_be_refreshed(nobody: ApiClient, pair: Pair) -> None:
    assert refresh(nobody, pair["access_token"])[1]["code"] == "token_invalid"


def test_an_expired_refresh_token_says_so(
    nobody: ApiClient, pair: Pair, traveller: time_machine.Traveller
) -> None:
    traveller.shift(timedelta(days=30, minutes=1))
    assert refresh(nobody, pair["refresh_token"])[1]["code"] == "token_expired"


def test_a_token_that_no_row_knows_is_invalid(app: Flask, nobody: ApiClient, owner: User) -> None:
    facts = token_facts(owner, create_session(owner), type=tokens.TokenType.REFRESH)
    with app.app_context():
        assert refresh(nobody, tokens.encode(facts))[1]["code"] == "token_invalid"


def test_a_token_of_another_sign_in_of_the_user_is_invalid(
    app: Flask, nobody: ApiClient, owner: User
) -> None:
    row = create_refresh_token(create_session(owner))
    facts = token_facts(owner, create_session(owner), type=tokens.TokenType.REFRESH, id=row.id)
    with app.app_context():
        assert refresh(nobody, tokens.encode(facts))[1]["code"] == "token_invalid"


@pytest.mark.parametrize("value", [None, 7, [], "", "a\x00b", "x" * 5000])
def test_a_refresh_token_of_a_wrong_kind_is_422(nobody: ApiClient, value: object) -> None:
    assert refresh(nobody, value)[0] == 422  # type: ignore[arg-type]


def test_logout_ends_both_tokens_at_once(nobody: ApiClient, pair: Pair) -> None:
    assert ApiClient(nobody.app, pair["access_token"]).post("/auth/logout").status_code == 204
    assert me(nobody, pair) == 401
    assert refresh(nobody, pair["refresh_token"])[1]["code"] == "token_revoked"


def test_a_disabled_user_is_out_at_once(nobody: ApiClient, owner: User, pair: Pair) -> None:
    with db.tenant_session(owner.tenant_id) as session:
        session.get_one(User, (owner.tenant_id, owner.id)).status = UserStatus.DISABLED
    assert me(nobody, pair) == 401
    assert refresh(nobody, pair["refresh_token"])[1]["code"] == "token_revoked"


def test_a_closed_tenants_users_are_out_at_once(
    nobody: ApiClient, tenant: Tenant, pair: Pair
) -> None:
    with db.tenant_session(tenant.id) as session:
        session.get_one(Tenant, tenant.id).status = TenantStatus.CLOSED
    assert me(nobody, pair) == 401
    assert refresh(nobody, pair["refresh_token"])[1]["code"] == "token_revoked"


def test_a_changed_password_ends_the_other_sign_ins_only(
    nobody: ApiClient, owner: User, pair: Pair
) -> None:
    body = {"username": owner.username, "password": PASSWORD}
    other = dict(nobody.post("/auth/login", body).json)
    changing = ApiClient(nobody.app, pair["access_token"])
    change = {"current_password": PASSWORD, "new_password": "another long password"}
    assert changing.post("/auth/change-password", change).status_code == 204
    assert me(nobody, pair) == 200
    assert me(nobody, other) == 401
    assert nobody.post("/auth/login", body).status_code == 401
    body["password"] = "another long password"
    assert nobody.post("/auth/login", body).status_code == 200


def test_a_wrong_current_password_changes_nothing(nobody: ApiClient, pair: Pair) -> None:
    changing = ApiClient(nobody.app, pair["access_token"])
    change = {"current_password": "wrong", "new_password": "another long password"}
    answer = changing.post("/auth/change-password", change)
    assert answer.status_code == 422
    assert "current_password" in answer.json["details"]["fields"]
