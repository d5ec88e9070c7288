"""The operator's commands, and the demonstration data that only a developer's machine gets."""

import re
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from app import config, db
from app.auth import passwords
from app.auth import service as auth
from app.cli import demo, demo_bot
from app.config import Environment
from app.models import AuditEntry, Bot, Channel, KeywordReply, User
from simulator import demo as simulated
from simulator.business.data import DEMO_KEY as HORIZON_KEY
from tests.factories import PASSWORD, ApiClient

LOCAL = {
    "app_env": Environment.DEVELOPMENT,
    "public_base_url": "http://127.0.0.1:8000",
    "twilio_api_base_url": "http://127.0.0.1:8001",
}


def run(app: Flask, *args: str, typed: str | None = None) -> Result:
    return app.test_cli_runner().invoke(args=args, input=typed)


def change_settings(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    monkeypatch.setattr(config.InForce, "settings", replace(config.current(), **changes))


def channels_of(username: str) -> list[Channel]:
    tenant_id = auth.tenant_of_username(username)
    assert tenant_id is not None
    with db.tenant_session(tenant_id) as session:
        return list(session.scalars(select(Channel).order_by(Channel.id)))


def test_the_demonstration_values_are_the_simulators() -> None:
    assert tuple(demo.DEMO) == (
        simulated.DEMO_ACCOUNT_SID,
        simulated.DEMO_AUTH_TOKEN,
        simulated.DEMO_SENDER,
    )
    assert tuple(demo.OTRA) == (
        simulated.OTRA_ACCOUNT_SID,
        simulated.OTRA_AUTH_TOKEN,
        simulated.OTRA_SENDER,
    )


def test_seeding_twice_makes_everything_once(
    app: Flask, nobody: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_settings(monkeypatch, **LOCAL)
    for _ in range(2):
        result = run(app, "demo", "seed")
        assert result.exit_code == 0, result.output
    roles = {}
    for name in ("demo", "otra", "admin"):
        answer = nobody.post("/auth/login", {"username": name, "password": "password"})
        assert answer.status_code == 200, name
        client = ApiClient(app, answer.json["access_token"])
        roles[name] = client.get("/auth/me").json["role"]
    assert roles == {"demo": "owner", "otra": "owner", "admin": "platform_admin"}
    for name, account in (("demo", demo.DEMO), ("otra", demo.OTRA)):
        found = channels_of(name)
        assert [each.account for each in found] == [account.account_sid]
        assert f"whatsapp:{found[0].phone_number}" == account.sender
        assert found[0].is_default
    tenant_id = auth.tenant_of_username("demo")
    assert tenant_id is not None
    with db.tenant_session(tenant_id) as session:
        assert session.scalar(select(func.count()).select_from(User)) == 1
        assert session.scalar(select(func.count()).select_from(KeywordReply)) == 8


def test_the_demonstrations_bot_answers_at_the_simulators_business(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert demo_bot.HORIZON_KEY == HORIZON_KEY
    for port in (8001, 9001):
        url = f"http://127.0.0.1:{port}"
        change_settings(monkeypatch, **{**LOCAL, "twilio_api_base_url": url})
        assert run(app, "demo", "seed").exit_code == 0
        tenant_id = auth.tenant_of_username("demo")
        assert tenant_id is not None
        with db.tenant_session(tenant_id) as session:
            channel = select(Channel.id).where(Channel.account == demo.DEMO.account_sid)
            (bot,) = session.scalars(select(Bot).where(Bot.channel_id.in_(channel)))
        assert (bot.name, bot.version, bot.is_enabled) == ("Horizon", 1, True)
        assert bot.actions_base_url == f"{url}/business"


def test_the_demo_channel_takes_the_environments_account(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    sid = f"AC{uuid4().hex}"
    change_settings(
        monkeypatch,
        **LOCAL,
        twilio_account_sid=sid,
        twilio_auth_token=uuid4().hex,
        twilio_whatsapp_from="whatsapp:+15005550006",
    )
    assert run(app, "demo", "seed").exit_code == 0
    default = [each.account for each in channels_of("demo") if each.is_default]
    assert default == [sid]


def test_with_the_real_provider_nobody_gets_a_channel_of_the_simulator(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_settings(monkeypatch, **{**LOCAL, "twilio_api_base_url": "https://api.twilio.com"})
    created: list[str] = []
    monkeypatch.setattr(demo, "ensure_channel", lambda _, data: created.append(data["name"]))
    assert run(app, "demo", "seed").exit_code == 0
    assert created == []


@pytest.mark.parametrize(
    "change",
    [
        {"app_env": Environment.PRODUCTION},
        {"app_env": Environment.TEST},
    ],
)
def test_seeding_is_refused_elsewhere(
    app: Flask, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any]
) -> None:
    change_settings(monkeypatch, **{**LOCAL, **change})
    result = run(app, "demo", "seed")
    assert result.exit_code == 1
    assert "APP_ENV=development" in result.output


def test_with_a_public_address_the_passwords_are_generated_and_printed_once(
    app: Flask, nobody: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for users who have the published password from an earlier start on loopback."""
    change_settings(monkeypatch, **LOCAL)
    assert run(app, "demo", "seed").exit_code == 0
    change_settings(monkeypatch, **{**LOCAL, "public_base_url": "https://tunnel.example.com"})
    printed = dict(re.findall(r"as (\w+) with the password (\S+)", run(app, "demo", "seed").output))
    assert set(printed) == {"demo", "otra", "admin"}
    for name, password in printed.items():
        for given, status in (("password", 401), (password, 200)):
            body = {"username": name, "password": given}
            assert nobody.post("/auth/login", body).status_code == status, name
    assert "password" not in run(app, "demo", "seed").output
    # As it was: the database is shared by the tests of this process.
    for name in printed:
        reset_to_the_published_password(name)


def reset_to_the_published_password(username: str) -> None:
    found = auth.find_username(username)
    assert found is not None
    with db.tenant_session(found[0]) as session:
        user = session.scalars(select(User).where(User.id == found[1])).one()
        user.password_hash = passwords.hash_password(passwords.DEMO_PASSWORD)


def test_an_admin_is_made_and_lists_the_tenants(app: Flask, nobody: ApiClient) -> None:
    name = f"root-{uuid4().hex}"
    made = run(
        app,
        "tenants",
        "create-admin",
        "--username",
        name,
        "--password-stdin",
        typed=f"{PASSWORD}\n",
    )
    assert made.exit_code == 0, made.output
    answer = nobody.post("/auth/login", {"username": name, "password": PASSWORD})
    assert ApiClient(app, answer.json["access_token"]).get("/tenants").status_code == 200
    listed = run(app, "tenants", "list")
    assert "00000000-0000-7000-8000-000000000001  active  platform" in listed.output


def test_a_prompted_password_must_be_typed_twice_and_is_not_shown(app: Flask) -> None:
    name = f"root-{uuid4().hex}"
    made = run(
        app, "tenants", "create-admin", "--username", name, typed=f"{PASSWORD}\n{PASSWORD}\n"
    )
    assert made.exit_code == 0, made.output
    assert PASSWORD not in made.output


@pytest.mark.parametrize(
    ("username", "password", "reason"),
    [
        ("ab", PASSWORD, "3 to 64"),
        ("fine-name", "short", "8 to 200"),
        ("fine-name", "password", "everybody tries first"),
        ("fine-name", "fine-name", "This is the username"),
    ],
)
def test_a_bad_username_or_password_is_explained(
    app: Flask, username: str, password: str, reason: str
) -> None:
    result = run(
        app,
        "tenants",
        "create-admin",
        "--username",
        username,
        "--password-stdin",
        typed=f"{password}\n",
    )
    assert result.exit_code == 1
    assert reason in result.output
    assert auth.tenant_of_username(username) is None


def create(app: Flask, owner: str, *more: str) -> Result:
    args = ("tenants", "create", "--name", "Tienda", "--owner", owner, "--password-stdin", *more)
    return run(app, *args, typed=f"{PASSWORD}\n")


def test_a_tenant_with_the_default_channel(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    sid, name = f"AC{uuid4().hex}", f"owner-{uuid4().hex}"
    change_settings(
        monkeypatch,
        twilio_account_sid=sid,
        twilio_auth_token=uuid4().hex,
        twilio_whatsapp_from="+15005550006",
    )
    result = create(app, name, "--with-default-channel")
    assert result.exit_code == 0, result.output
    assert [(each.account, each.phone_number) for each in channels_of(name)] == [
        (sid, "+15005550006")
    ]
    with db.tenant_session(channels_of(name)[0].tenant_id) as session:
        assert {each.actor_type for each in session.scalars(select(AuditEntry))} == {"system"}


def test_a_default_channel_without_its_settings_makes_nothing(app: Flask) -> None:
    name = f"owner-{uuid4().hex}"
    result = create(app, name, "--with-default-channel")
    assert result.exit_code == 1
    assert "TWILIO_ACCOUNT_SID" in result.output
    assert auth.tenant_of_username(name) is None


def test_a_taken_username_is_explained(app: Flask) -> None:
    name = f"owner-{uuid4().hex}"
    assert create(app, name).exit_code == 0
    result = create(app, name)
    assert result.exit_code == 1
    assert "taken" in result.output


def test_an_unknown_time_zone_makes_nothing(app: Flask) -> None:
    name = f"owner-{uuid4().hex}"
    result = create(app, name, "--timezone", "Mars/Olympus")
    assert result.exit_code == 2
    assert auth.tenant_of_username(name) is None
