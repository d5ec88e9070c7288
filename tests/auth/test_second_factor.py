"""The second factor: set up by the person, asked for at each sign-in, removed by few."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pyotp
import pytest
import time_machine
from flask import Flask
from werkzeug.test import TestResponse

from app import db
from app.auth import pauses
from app.common import clock
from app.models import Role, Tenant, User
from tests.factories import PASSWORD, ApiClient, client_of, create_user
from tests.world import settings_changed


class Phone:
    """An authenticator app whose time goes on, so that each code is a new one."""

    def __init__(self, secret: str, travel: time_machine.Traveller) -> None:
        self.totp = pyotp.TOTP(secret)
        self.travel = travel

    def code(self) -> str:
        self.travel.shift(30)
        return self.totp.at(clock.now())


@pytest.fixture
def travel() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(clock.now(), tick=True) as traveller:
        yield traveller


def sign_in(app: Flask, user: User, code: str | None = None) -> TestResponse:
    body = {"username": user.username, "password": PASSWORD, "code": code}
    return app.test_client().post("/auth/login", json=body)


def code_of(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.get_json()["code"]


def enrol(client: ApiClient, travel: time_machine.Traveller) -> tuple[Phone, list[str]]:
    begun = client.post("/auth/second-factor", {"current_password": PASSWORD})
    assert begun.status_code == 200
    phone = Phone(begun.json["secret"], travel)
    confirmed = client.post("/auth/second-factor/confirm", {"code": phone.code()})
    assert confirmed.status_code == 200
    return phone, confirmed.json["recovery_codes"]


def test_the_uri_is_one_that_apps_read(signed_in: ApiClient, owner: User) -> None:
    begun = signed_in.post("/auth/second-factor", {"current_password": PASSWORD}).json
    parsed = pyotp.parse_uri(begun["uri"])
    assert (parsed.issuer, parsed.name, parsed.secret) == (
        "Recado",
        owner.username,
        begun["secret"],
    )


def test_signing_in_needs_a_code(
    app: Flask, signed_in: ApiClient, owner: User, travel: time_machine.Traveller
) -> None:
    signed_in.post("/auth/second-factor", {"current_password": PASSWORD})
    assert sign_in(app, owner).status_code == 200, "Nothing was confirmed yet."
    phone, _ = enrol(signed_in, travel)
    assert signed_in.get("/auth/me").json["has_second_factor"] is True
    assert code_of(sign_in(app, owner)) == (401, "second_factor_required")
    assert code_of(sign_in(app, owner, "000000")) == (401, "second_factor_wrong")
    code = phone.code()
    assert sign_in(app, owner, code).status_code == 200
    assert code_of(sign_in(app, owner, code)) == (401, "second_factor_wrong"), "It was used."
    code = phone.code()
    travel.shift(25)
    assert sign_in(app, owner, f"{code[:3]} {code[3:]}").status_code == 200, "A slow person."


def test_guesses_at_the_code_are_paused(
    app: Flask, signed_in: ApiClient, owner: User, travel: time_machine.Traveller
) -> None:
    enrol(signed_in, travel)
    for _ in range(pauses.FREE_GUESSES):
        assert code_of(sign_in(app, owner, "000000")) == (401, "second_factor_wrong")
    assert code_of(sign_in(app, owner, "000000")) == (429, "too_many_guesses")


def test_guesses_at_once_are_no_more_guesses(
    app: Flask, signed_in: ApiClient, owner: User, travel: time_machine.Traveller
) -> None:
    """Those that wait for the hash of their password have passed the first look for a pause."""
    enrol(signed_in, travel)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: code_of(sign_in(app, owner, "000000")), range(8)))
    wrong = answers.count((401, "second_factor_wrong"))
    assert wrong <= pauses.FREE_GUESSES + 1
    assert answers.count((429, "too_many_guesses")) == 8 - wrong


def test_whoever_knows_the_password_cannot_guess_the_code(
    signed_in: ApiClient, travel: time_machine.Traveller
) -> None:
    """Each removal gives the right password first, which must not clear the wrong codes."""
    enrol(signed_in, travel)
    body = {"current_password": PASSWORD, "code": "000000"}
    answers = [
        code_of(signed_in.post("/auth/second-factor/remove", body))
        for _ in range(pauses.FREE_GUESSES + 1)
    ]
    assert answers[:-1] == [(401, "second_factor_wrong")] * pauses.FREE_GUESSES
    assert answers[-1] == (429, "too_many_guesses")


def test_the_first_code_cannot_be_guessed(signed_in: ApiClient) -> None:
    signed_in.post("/auth/second-factor", {"current_password": PASSWORD})
    answers = [
        code_of(signed_in.post("/auth/second-factor/confirm", {"code": "000000"}))
        for _ in range(pauses.FREE_GUESSES + 1)
    ]
    assert answers[-1] == (429, "too_many_guesses")


def test_a_recovery_code_signs_in_once(
    app: Flask, signed_in: ApiClient, owner: User, travel: time_machine.Traveller
) -> None:
    _, codes = enrol(signed_in, travel)
    assert len(set(codes)) == 10
    assert sign_in(app, owner, codes[3].lower()).status_code == 200
    assert code_of(sign_in(app, owner, codes[3])) == (401, "second_factor_wrong")
    assert sign_in(app, owner, codes[4]).status_code == 200


def test_a_recovery_code_has_at_least_112_random_bits(
    signed_in: ApiClient, travel: time_machine.Traveller
) -> None:
    """Fewer would need a slow hash (ASVS 6.5.2). A letter of base32 has five bits."""
    _, codes = enrol(signed_in, travel)
    assert all(len(each.replace("-", "")) * 5 >= 112 for each in codes)


def test_the_secret_and_the_codes_are_not_stored_as_they_are(
    signed_in: ApiClient, owner: User, travel: time_machine.Traveller
) -> None:
    phone, codes = enrol(signed_in, travel)
    with db.tenant_session(owner.tenant_id) as session:
        row = session.get_one(User, (owner.tenant_id, owner.id))
    assert row.totp_secret
    assert phone.totp.secret.encode() not in row.totp_secret
    assert not set(codes) & set(row.recovery_codes)


def test_beginning_needs_the_password(signed_in: ApiClient) -> None:
    answer = signed_in.post("/auth/second-factor", {"current_password": "wrong"})
    assert answer.status_code == 422
    assert "secret" not in answer.json
    confirmed = signed_in.post("/auth/second-factor/confirm", {"code": "123456"})
    assert code_of(confirmed) == (409, "nothing_to_confirm")


def test_removing_it_needs_password_and_code(
    app: Flask, signed_in: ApiClient, owner: User, travel: time_machine.Traveller
) -> None:
    phone, _ = enrol(signed_in, travel)
    path = "/auth/second-factor/remove"
    wrong = {"current_password": "wrong", "code": phone.code()}
    assert signed_in.post(path, wrong).status_code == 422
    assert code_of(signed_in.post(path, {"current_password": PASSWORD, "code": "000000"})) == (
        401,
        "second_factor_wrong",
    )
    right = {"current_password": PASSWORD, "code": phone.code()}
    assert signed_in.post(path, right).status_code == 204
    assert sign_in(app, owner).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/auth/second-factor", {"current_password": PASSWORD}, "second_factor_exists"),
        ("/auth/second-factor/confirm", {"code": "123456"}, "nothing_to_confirm"),
    ],
)
def test_there_is_one_at_a_time(
    signed_in: ApiClient,
    travel: time_machine.Traveller,
    path: str,
    body: dict[str, str],
    code: str,
) -> None:
    enrol(signed_in, travel)
    assert code_of(signed_in.post(path, body)) == (409, code)


def test_an_owner_helps_a_member_who_lost_the_phone(
    app: Flask, tenant: Tenant, signed_in: ApiClient, travel: time_machine.Traveller
) -> None:
    member = create_user(tenant.id, role=Role.AGENT)
    enrol(client_of(app, member), travel)
    path = f"/tenants/me/users/{member.id}"
    assert signed_in.get(path).json["has_second_factor"] is True
    assert signed_in.put(path, {"has_second_factor": True}).status_code == 422
    assert signed_in.put(path, {"has_second_factor": False}).json["has_second_factor"] is False
    assert sign_in(app, member).status_code == 200


def test_a_new_password_from_an_owner_leaves_the_second_factor(
    app: Flask, tenant: Tenant, signed_in: ApiClient, travel: time_machine.Traveller
) -> None:
    member = create_user(tenant.id, role=Role.AGENT)
    enrol(client_of(app, member), travel)
    new = {"password": "another long password"}
    assert signed_in.put(f"/tenants/me/users/{member.id}", new).status_code == 200
    body = {"username": member.username, **new}
    answer = app.test_client().post("/auth/login", json=body)
    assert code_of(answer) == (401, "second_factor_required")


def test_nobody_removes_their_own_in_that_way(
    signed_in: ApiClient, owner: User, travel: time_machine.Traveller
) -> None:
    enrol(signed_in, travel)
    answer = signed_in.put(f"/tenants/me/users/{owner.id}", {"has_second_factor": False})
    assert answer.status_code == 422


def test_platform_administrators_can_be_asked_for_one(
    app: Flask, tenant: Tenant, travel: time_machine.Traveller
) -> None:
    admin = client_of(app, create_user(tenant.id, role=Role.PLATFORM_ADMIN))
    with settings_changed(platform_second_factor=True):
        assert code_of(admin.get("/tenants")) == (403, "second_factor_missing")
        assert admin.get("/auth/me").status_code == 200
        enrol(admin, travel)
        assert admin.get("/tenants").status_code == 200


def test_a_clock_that_is_far_off_does_not_count(
    app: Flask, signed_in: ApiClient, owner: User, travel: time_machine.Traveller
) -> None:
    phone, _ = enrol(signed_in, travel)
    future = phone.totp.at(clock.now() + timedelta(minutes=2))
    assert code_of(sign_in(app, owner, future)) == (401, "second_factor_wrong")
