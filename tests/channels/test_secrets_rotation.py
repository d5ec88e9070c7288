"""`flask secrets rotate`: afterwards every secret can be decrypted, and no old key is needed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import LargeBinary, select

from app import config, db
from app.channels import cache, service
from app.cli.secrets import SEALED, rotate_tenant
from app.common import vault
from app.common.encryption import CannotOpen
from app.config import Settings
from app.models import Base, Channel, IdempotencyKey, Role, Tenant
from tests.factories import ApiClient, create_tenant, create_user

CREDENTIALS = {"account_sid": f"AC{'4' * 32}", "auth_token": "a-token-to-rotate"}
NEW = {"k2": b"2" * 32}


@pytest.fixture(autouse=True)
def _settings_back(app: Flask, settings: Settings) -> Iterator[None]:
    cache.forget_all()
    yield
    config.use(settings)
    cache.forget_all()


def both_keys(settings: Settings) -> None:
    """The new master key first, the old one after it."""
    config.use(replace(settings, encryption_keys={**NEW, **settings.encryption_keys}))


def only_new_key(settings: Settings) -> None:
    config.use(replace(settings, encryption_keys=NEW))


PLAIN = {
    ("tenants", "data_key"),
    ("knowledge_documents", "sha256"),
    ("knowledge_documents", "source"),
}
"""Binary columns that no tenant's key encrypts: the key itself, and what customers are told."""


def add(client: ApiClient, key: str) -> Any:
    body = {"provider": "twilio", "phone_number": "+15550001234", "credentials": CREDENTIALS}
    return client.post("/channels", body, idempotency_key=key).json


def opened(tenant: Tenant) -> Any:
    with db.tenant_session(tenant.id) as session:
        return service.open_credentials(session, session.scalars(select(Channel)).one())


def run(app: Flask, *arguments: str) -> Any:
    return app.test_cli_runner().invoke(args=["secrets", "rotate", *arguments])


def wrapped(tenant: Tenant) -> bytes:
    with db.tenant_session(tenant.id) as session:
        return session.scalars(select(Tenant.data_key)).one()


def test_every_sealed_column_is_known_to_the_command() -> None:
    binary = {
        (table.name, column.name)
        for table in Base.metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    known = {(each.model.__tablename__, each.column.key) for each in SEALED}
    assert known == binary - PLAIN


@pytest.mark.parametrize("options", [[], ["--data-keys"]])
def test_afterwards_the_old_master_key_is_not_needed(
    app: Flask, settings: Settings, tenant: Tenant, signed_in: ApiClient, options: list[str]
) -> None:
    key = str(uuid4())
    made = add(signed_in, key)
    both_keys(settings)
    answer = run(app, "--tenant", str(tenant.id), *options)
    assert answer.exit_code == 0, answer.output
    assert "1 of 1 tenants rotated." in answer.output
    only_new_key(settings)
    assert opened(tenant) == CREDENTIALS
    assert add(signed_in, key) == made


def test_data_keys_are_new_and_everything_is_sealed_anew(
    tenant: Tenant, signed_in: ApiClient
) -> None:
    add(signed_in, str(uuid4()))
    with db.tenant_session(tenant.id) as session:
        before = vault.data_key(session)
        sealed = [
            session.scalars(select(Channel.credentials)).one(),
            session.scalars(select(IdempotencyKey.answer)).one(),
        ]
    assert rotate_tenant(tenant.id, data_keys=True)
    with db.tenant_session(tenant.id) as session:
        assert vault.data_key(session) != before
        assert session.scalars(select(Channel.credentials)).one() != sealed[0]
        assert session.scalars(select(IdempotencyKey.answer)).one() != sealed[1]


def test_a_run_that_is_repeated_leaves_what_is_done(
    settings: Settings, app: Flask, tenant: Tenant
) -> None:
    both_keys(settings)
    assert rotate_tenant(tenant.id, data_keys=False) is True
    first = wrapped(tenant)
    assert rotate_tenant(tenant.id, data_keys=False) is False
    assert wrapped(tenant) == first
    assert "was current" in run(app, "--tenant", str(tenant.id)).output


def test_a_missing_key_changes_nothing_and_fails(
    app: Flask, settings: Settings, tenant: Tenant
) -> None:
    before = wrapped(tenant)
    only_new_key(settings)
    answer = run(app, "--tenant", str(tenant.id))
    assert answer.exit_code == 1
    assert "ENCRYPTION_KEYS lacks the key 'k1'" in answer.output
    assert wrapped(tenant) == before
    with pytest.raises(CannotOpen):
        rotate_tenant(uuid4(), data_keys=False)


def test_all_tenants_are_rotated_as_a_platform_administrator(app: Flask, tenant: Tenant) -> None:
    admin = create_user(tenant.id, role=Role.PLATFORM_ADMIN)
    owner = create_user(tenant.id, role=Role.OWNER)
    before = {each.id: wrapped(each) for each in (tenant, create_tenant())}
    answer = run(app, "--as", admin.username)
    for tenant_id in before:
        assert f"{tenant_id} was current" in answer.output
    for username in (owner.username, "nobody-at-all"):
        refused = run(app, "--as", username)
        assert refused.exit_code == 1
        assert "not an active platform administrator" in refused.output


def test_one_must_say_which_tenants(app: Flask) -> None:
    assert run(app).exit_code == 2
