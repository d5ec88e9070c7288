"""Guesses at one person's secret meet growing pauses, whatever the addresses."""

import json
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from uuid import uuid4

import pytest
from flask import Flask
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from werkzeug.test import TestResponse

from app import db
from app.auth import pauses
from app.common.rate_counts import RateCounts
from app.extensions import limiter
from app.models import Tenant, User
from tests.factories import PASSWORD, ApiClient

NETWORKS = count(1)


def new_network() -> str:
    """Return an address in a network that nobody used before."""
    # Without leading zeros, as addresses are shown.
    return f"2001:db8:{int(uuid4().hex[:4], 16):x}:{next(NETWORKS):x}::1"


def guess(
    app: Flask, username: str, password: str = "wrong", address: str | None = None
) -> TestResponse:
    return app.test_client().post(
        "/auth/login",
        json={"username": username, "password": password},
        environ_overrides={"REMOTE_ADDR": address or new_network()},
    )


def wrong_guesses(app: Flask, username: str) -> None:
    for _ in range(pauses.FREE_GUESSES):
        assert guess(app, username).status_code == 401


@pytest.mark.parametrize("exists", [True, False])
def test_many_addresses_share_the_guesses_at_one_person(
    app: Flask, owner: User, exists: bool
) -> None:
    """The answers are the same for a person who does not exist."""
    username = owner.username if exists else f"nobody-{uuid4().hex}"
    wrong_guesses(app, username)
    refused = guess(app, username.upper(), PASSWORD)
    assert (refused.status_code, refused.get_json()["code"]) == (429, "too_many_guesses")
    assert 0 < int(refused.headers["Retry-After"]) <= pauses.FIRST_PAUSE_SECONDS + 1


def test_a_known_network_is_not_kept_out(app: Flask, owner: User) -> None:
    home = new_network()
    assert guess(app, owner.username, PASSWORD, home).status_code == 200
    wrong_guesses(app, owner.username)
    assert guess(app, owner.username, PASSWORD).status_code == 429
    assert guess(app, owner.username, PASSWORD, home).status_code == 200


def test_a_known_network_has_pauses_of_its_own(app: Flask, owner: User) -> None:
    home = new_network()
    assert guess(app, owner.username, PASSWORD, home).status_code == 200
    statuses = [
        guess(app, owner.username, "wrong", home).status_code
        for _ in range(pauses.FREE_GUESSES + 1)
    ]
    assert statuses == [401] * pauses.FREE_GUESSES + [429]
    assert guess(app, owner.username, PASSWORD).status_code == 200


def test_the_right_password_forgets_the_wrong_ones(app: Flask, owner: User) -> None:
    for _ in range(3):
        for _ in range(pauses.FREE_GUESSES - 1):
            assert guess(app, owner.username).status_code == 401
        assert guess(app, owner.username, PASSWORD).status_code == 200


def test_pauses_double_up_to_the_longest() -> None:
    assert [pauses.pause_after(n) for n in (0, 4, 5, 6, 7, 12, 13, 1000)] == [
        *(0, 0, 5, 10, 20, 640, 900, 900)
    ]


def test_guesses_at_ones_own_password_are_paused(owner: User, signed_in: ApiClient) -> None:
    body = {"current_password": "wrong", "new_password": "another long password"}
    answers = [
        signed_in.post("/auth/change-password", body) for _ in range(pauses.FREE_GUESSES + 1)
    ]
    assert [each.status_code for each in answers] == [422] * pauses.FREE_GUESSES + [429]
    assert actions(signed_in).count("user.password_wrong") == pauses.FREE_GUESSES


def actions(client: ApiClient) -> list[str]:
    answer = client.get("/tenants/me/audit?limit=100")
    return [each["action"] for each in answer.json["items"]]


def test_guesses_at_a_password_at_once_are_no_more_guesses(app: Flask, owner: User) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: guess(app, owner.username).status_code, range(8)))
    assert set(answers) <= {401, 429}
    assert answers.count(401) <= pauses.FREE_GUESSES + 1


def test_sign_ins_are_in_the_audit_log(app: Flask, owner: User, signed_in: ApiClient) -> None:
    network = new_network()
    guess(app, owner.username, "wrong", network)
    token = guess(app, owner.username, PASSWORD, network).get_json()["access_token"]
    ApiClient(app, token).post("/auth/logout")
    entries = signed_in.get("/tenants/me/audit").json["items"]
    newest = [(each["action"], each["actor_type"], each["subject_id"]) for each in entries[:3]]
    assert [each[:2] for each in newest] == [
        ("session.signed_out", "user"),
        ("session.signed_in", "user"),
        ("session.sign_in_failed", "system"),
    ]
    assert newest[2][2] == str(owner.id)
    assert network.removesuffix("1") in json.dumps(entries[2]["changes"])


CHANGES = {
    "update": "update recado.audit_entries set action = 'nothing.happened'",
    "delete": "delete from recado.audit_entries",
}


@pytest.mark.parametrize("change", CHANGES)
def test_nobody_changes_the_audit_log(tenant: Tenant, owner: User, app: Flask, change: str) -> None:
    guess(app, owner.username)
    with db.tenant_session(tenant.id) as session:
        with pytest.raises(ProgrammingError, match="permission denied"):
            session.execute(text(CHANGES[change]))
        session.rollback()


def test_while_redis_is_away_the_process_counts_itself(
    app: Flask, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = limiter.storage
    assert isinstance(storage, RateCounts)

    def frozen(*_: object) -> None:
        raise RedisConnectionError

    monkeypatch.setattr(storage, "_count", frozen)
    monkeypatch.setattr(storage, "_away_until", 0.0)
    wrong_guesses(app, owner.username)
    assert guess(app, owner.username, PASSWORD).status_code == 429
    monkeypatch.setattr(storage, "_away_until", 0.0)
