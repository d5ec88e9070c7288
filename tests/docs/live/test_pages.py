"""Everything that the pages tell a reader to do works, in their order: `make docs`."""

import base64
import os
from pathlib import Path
from uuid import uuid4

import psycopg2
import pytest
import requests
from sqlalchemy import make_url

from dev.binaries import postgres_install
from tests.architecture.source import ROOT
from tests.docs.live.reader import Reader
from tests.docs.pages import blocks, pages

AUTH_TOKEN, SENDER = "d0c5" * 8, "whatsapp:+15557654321"
"""What the business has at the provider, in an account of each page's own."""

POOLER = "aws-0-REGION.pooler.supabase.com:6543/postgres"
PASSWORD = "horse battery staple 7"
TYPES = {
    "create-admin": f"root.operator\n{PASSWORD}\n{PASSWORD}\n",
    "tenants create ": f"{PASSWORD}\n{PASSWORD}\n",
}


def database(name: str, *login: str) -> str:
    """Return the address of a database of the stack, for its own login or another one."""
    url = make_url(os.environ["DATABASE_URL"]).set(database=name)
    if login:
        url = url.set(username=login[0], password=login[1])
    return url.render_as_string(hide_password=False)


def new_database(page: str) -> str:
    """Create an empty database for the reader of a page; return its name."""
    name = "docs_" + "".join(letter for letter in page if letter.isalpha())
    connection = psycopg2.connect(os.environ["DATABASE_URL"])
    connection.autocommit = True
    connection.cursor().execute(f"create database {name}")
    connection.close()
    return name


def new_account() -> str:
    """Open an account with a sender at the provider, which is the simulator; return its SID."""
    account, address = f"AC{uuid4().hex}", f"{os.environ['SIMULATOR_URL']}/control"
    answers = [
        requests.put(f"{address}/accounts/{account}", json={"auth_token": AUTH_TOKEN}, timeout=10),
        requests.put(f"{address}/senders/{SENDER}", json={"account_sid": account}, timeout=10),
    ]
    for answer in answers:
        answer.raise_for_status()
    return account


@pytest.fixture(scope="module")
def service() -> requests.Session:
    """The API as the owner of the business `demo`."""
    session = requests.Session()
    base_url = os.environ["PUBLIC_BASE_URL"]
    pair = session.post(
        f"{base_url}/auth/login", json={"username": "demo", "password": "password"}, timeout=10
    )
    session.headers["Authorization"] = f"Bearer {pair.json()['access_token']}"
    return session


@pytest.fixture
def reader(tmp_path: Path, service: requests.Session, page: str) -> Reader:
    """A reader who has a database, an account at the provider, and Postgres's programs."""
    path = [str(ROOT / ".venv/bin"), str(postgres_install(None) / "bin"), os.environ["PATH"]]
    name = new_database(page)
    admin, own = database(name), database(name, "recado_service", "SERVICE_PASSWORD")
    keys = os.environ["ENCRYPTION_KEYS"]
    knows = {
        "http://127.0.0.1:8000": os.environ["PUBLIC_BASE_URL"],
        "http://127.0.0.1:8001": os.environ["SIMULATOR_URL"],
        "https://api.twilio.com": os.environ["SIMULATOR_URL"],
        "postgresql://postgres:ADMIN_PASSWORD@db.example.com:5432/recado": admin,
        "postgresql://recado_service:SERVICE_PASSWORD@db.example.com:5432/recado": own,
        f"postgresql://postgres.abcd:PASSWORD@{POOLER}": admin,
        f"postgresql://recado_service.abcd:NEW_PASSWORD@{POOLER}": own,
        "postgresql://postgres:PASSWORD@db.abcd.supabase.co:5432/postgres": admin,
        "AC…": new_account(),
        '"auth_token": "…"': f'"auth_token": "{AUTH_TOKEN}"',
        "TWILIO_AUTH_TOKEN=…": f"TWILIO_AUTH_TOKEN={AUTH_TOKEN}",
        "k2:…,k1:…": f"k2:{base64.b64encode(os.urandom(32)).decode()},{keys}",
        "recado.dump": str(tmp_path / "recado.dump"),
    }
    environ = {**os.environ, "PATH": os.pathsep.join(path)}
    return Reader(tmp_path, environ, service, knows, TYPES)


@pytest.mark.parametrize("page", pages())
def test_a_page_can_be_followed(page: str, reader: Reader) -> None:
    for block in blocks(page, pages()[page]):
        reader.follow(block)
