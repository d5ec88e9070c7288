"""Real servers for the whole run, the real migrations, and a tenant of its own for each test.

Tests commit for real and do not clean up: each creates its own tenant, and tenants cannot see each
other, which is the first promise of this service.
"""

import base64
import os
from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg2
import pytest
from alembic import command
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.engine import make_url

from app import create_app
from app.cli.database import alembic_config
from app.config import Environment, Settings
from app.models import Role, Tenant, User
from app.tenants import service as tenants
from app.tenants.users import NewUser
from dev.postgres import add_vector
from dev.testing import TestServers, start_test_servers
from tests.events.payloads import wrong_payloads
from tests.factories import (
    PASSWORD,
    ApiClient,
    create_access_token,
    create_api_key,
    create_tenant,
    create_user,
    password_hash,
)
from tests.simulator.harness import Simulator
from tests.world import World, outside, settle_in

SignIn = Callable[..., ApiClient]

TEMPLATE = "recado_template"
SERVERS = pytest.StashKey[TestServers]()


def pytest_configure(config: pytest.Config) -> None:
    """The controller starts the servers and migrates a template that each worker copies."""
    if hasattr(config, "workerinput"):
        return
    servers = start_test_servers()
    config.stash[SERVERS] = servers
    os.environ["RECADO_TEST_DATABASE_URL"] = servers.database_url
    os.environ["RECADO_TEST_ADMIN_URL"] = servers.database_admin_url
    os.environ["RECADO_TEST_REDIS_URL"] = servers.redis_url
    sql(servers.database_url, f"create database {TEMPLATE}")
    admin_url = make_url(servers.database_admin_url).set(database=TEMPLATE)
    add_vector(admin_url.render_as_string(hide_password=False))
    alembic = alembic_config()
    alembic.set_main_option("path_separator", "os")
    alembic.set_main_option("sqlalchemy.url", database_named(TEMPLATE).replace("%", "%%"))
    command.upgrade(alembic, "head")


def pytest_unconfigure(config: pytest.Config) -> None:
    servers = config.stash.get(SERVERS, None)
    if servers is not None:
        servers.stop()


def sql(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        connection.cursor().execute(statement)
    finally:
        connection.close()


def database_named(name: str) -> str:
    url = make_url(os.environ["RECADO_TEST_DATABASE_URL"]).set(database=name)
    return url.render_as_string(hide_password=False)


def redis_numbered(number: int) -> str:
    return f"{os.environ['RECADO_TEST_REDIS_URL'].rsplit('/', 1)[0]}/{number}"


@pytest.fixture(scope="session")
def settings(worker_id: str) -> Settings:
    """Settings with a database and a Redis database of this worker's own."""
    name = f"recado_{worker_id}"
    sql(os.environ["RECADO_TEST_DATABASE_URL"], f"create database {name} template {TEMPLATE}")
    return Settings(
        app_env=Environment.TEST,
        database_url=database_named(name),
        redis_url=redis_numbered(
            int(worker_id.removeprefix("gw") or 0) if worker_id != "master" else 0
        ),
        secret_key="a secret key for tests, long enough",
        encryption_keys={"k1": base64.b64decode("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")},
        public_base_url="http://recado.test",
        login_rate_limit="10000 per minute",
        login_address_rate_limit="10000 per minute",
        anonymous_rate_limit="10000 per minute",
    )


@pytest.fixture(scope="session")
def app(settings: Settings) -> Flask:
    return create_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """An anonymous HTTP client."""
    return app.test_client()


@pytest.fixture
def tenant(app: Flask) -> Iterator[Tenant]:
    """A business of this test's own. At the end, every event that it recorded is checked against
    the catalogue."""
    made = create_tenant()
    yield made
    assert list(wrong_payloads(made.id)) == []


@pytest.fixture
def owner(tenant: Tenant) -> User:
    """The owner of `tenant`."""
    return create_user(tenant.id)


@pytest.fixture
def sign_in(app: Flask, tenant: Tenant) -> SignIn:
    """`sign_in()` returns a client of a new owner of `tenant`; also `sign_in(Role.AGENT)`,
    `sign_in(tenant=other)`, `sign_in(user=user)`."""

    def signed(
        role: Role = Role.OWNER, *, tenant: Tenant = tenant, user: User | None = None
    ) -> ApiClient:
        user = user or create_user(tenant.id, role=role)
        return ApiClient(app, create_access_token(app, user), user)

    return signed


@pytest.fixture
def platform_admin(app: Flask) -> ApiClient:
    """A client of a platform administrator."""
    new = NewUser(f"root-{uuid4().hex}", password_hash(PASSWORD), role=Role.PLATFORM_ADMIN)
    user = tenants.create_platform_admin(new)
    return ApiClient(app, create_access_token(app, user), user)


@pytest.fixture
def signed_in(sign_in: SignIn, owner: User) -> ApiClient:
    """A client that speaks JSON as the owner of `tenant`."""
    return sign_in(user=owner)


@pytest.fixture
def outsider(sign_in: SignIn) -> ApiClient:
    """A client that speaks JSON as the owner of another tenant."""
    return sign_in(tenant=create_tenant())


@pytest.fixture
def with_api_key(app: Flask, tenant: Tenant) -> ApiClient:
    """A client that speaks JSON with a live API key of `tenant` that has every scope."""
    return ApiClient(app, create_api_key(tenant.id)[1])


@pytest.fixture
def nobody(app: Flask) -> ApiClient:
    """A client that speaks JSON and is not signed in."""
    return ApiClient(app)


@pytest.fixture(scope="module")
def outer(app: Flask) -> Iterator[tuple[Simulator, str]]:
    """The simulator and our service on a socket, for the tests of one module."""
    with outside(app) as found:
        yield found


@pytest.fixture
def world(outer: tuple[Simulator, str], tenant: Tenant, sign_in: SignIn) -> World:
    """A business of this test's own with the simulator."""
    simulator, base_url = outer
    return settle_in(simulator, base_url, tenant, sign_in)
