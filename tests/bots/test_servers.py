"""The keys of a bot's servers: sealed, never shown, and never sent to another address."""

from typing import Any

import pytest
from sqlalchemy import select

from app import db
from app.bots import servers
from app.bots.servers import Server
from app.cli.secrets import rotate_tenant
from app.models import Bot, Tenant
from tests.bots.bodies import PATH, body, make, path_of, reasons
from tests.factories import ApiClient

SECRET = "sk-proj-a-secret-of-ours-9876"
SERVER = {"base_url": "https://models.example.com/v1", "api_key": SECRET}


def opened(tenant: Tenant, server: Server) -> str | None:
    with db.tenant_session(tenant.id) as session:
        return servers.key(session, session.scalars(select(Bot)).one(), server)


@pytest.mark.parametrize("server", list(Server))
def test_a_key_is_sealed_and_shown_by_its_end(
    signed_in: ApiClient, tenant: Tenant, server: Server
) -> None:
    given = body(tenant.id, openai_model="gpt-6-luna", **{server: SERVER})
    answer = signed_in.post(PATH, given)
    assert answer.json["data"][server] == {**SERVER, "api_key": "…9876"}
    with db.tenant_session(tenant.id) as session:
        stored = session.scalars(select(Bot)).one()
        assert SECRET.encode() not in getattr(stored, f"{server}_key")
    assert opened(tenant, server) == SECRET
    shown = signed_in.get(PATH).text + signed_in.get("/tenants/me/audit").text
    assert SECRET not in answer.text + shown


def test_a_short_key_shows_nothing(signed_in: ApiClient) -> None:
    assert make(signed_in, model={"api_key": "1234567"})["model"]["api_key"] == "…"


@pytest.mark.parametrize("base_url", ["https://evil.example.com/v1", None])
def test_a_stored_key_is_not_sent_to_a_new_address(
    signed_in: ApiClient, tenant: Tenant, base_url: Any
) -> None:
    """Whoever may change a bot could otherwise read its key at a server of their own."""
    made = make(signed_in, openai_model="gpt-6-luna", model=SERVER)
    answer = signed_in.put(path_of(made), {"model": {"base_url": base_url}})
    assert set(reasons(answer)) == {"model.api_key"}
    assert signed_in.get(path_of(made)).json["data"]["model"]["base_url"] == SERVER["base_url"]
    changed = {"base_url": base_url, "api_key": None}
    assert signed_in.put(path_of(made), {"model": changed}).json["data"]["model"] == changed
    assert opened(tenant, Server.MODEL) is None


def test_the_same_address_keeps_its_key(signed_in: ApiClient, tenant: Tenant) -> None:
    made = make(signed_in, openai_model="m", model=SERVER)
    same = {"model": {"base_url": f"{SERVER['base_url']}/"}}
    assert signed_in.put(path_of(made), same).json["data"]["model"]["api_key"] == "…9876"
    assert signed_in.put(path_of(made), {"name": "x"}).status_code == 200
    assert opened(tenant, Server.MODEL) == SECRET


def test_a_server_of_ones_own_takes_any_model(signed_in: ApiClient) -> None:
    made = make(signed_in, openai_model="llama-9 (local)", model={"base_url": SERVER["base_url"]})
    assert made["openai_model"] == "llama-9 (local)"
    answer = signed_in.put(path_of(made), {"model": {"base_url": None}})
    assert set(reasons(answer)) == {"openai_model"}


def test_a_server_of_ones_own_has_no_default_model(signed_in: ApiClient) -> None:
    answer = signed_in.post(PATH, body(signed_in.tenant_id, model=SERVER))
    assert set(reasons(answer)) == {"openai_model"}


def test_keys_survive_a_new_data_key(signed_in: ApiClient, tenant: Tenant) -> None:
    make(signed_in, openai_model="m", model=SERVER, actions={"api_key": "shop-secret-1"})
    assert rotate_tenant(tenant.id, data_keys=True)
    assert opened(tenant, Server.MODEL) == SECRET
    assert opened(tenant, Server.ACTIONS) == "shop-secret-1"
