"""`flask --app wsgi database …`: the schema."""

from pathlib import Path
from typing import Any, NamedTuple

import click
from alembic import command
from alembic.config import Config
from psycopg2.extensions import encrypt_password
from psycopg2.sql import SQL, Identifier, Literal
from sqlalchemy import URL, Connection, create_engine, make_url, pool, text

from app import config
from app.cli.group import CommandGroup
from app.db import APP_ROLE, SYSTEM_ROLE, normalise_url

ROOT = Path(__file__).resolve().parents[2]
LOGIN_ATTRIBUTES = "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOINHERIT"
HAS_PRIVILEGES = text(
    "select rolsuper or rolbypassrls or rolcreatedb or rolcreaterole or rolinherit "
    "from pg_roles where rolname = :name"
)
GRANT = f"GRANT {APP_ROLE}, {SYSTEM_ROLE} TO {{name}}"
GATE = ROOT / "migrations" / "gate.sql"

group = CommandGroup("database", help="The database's schema.")


class Defect(NamedTuple):
    """A gap in the isolation of tenants, found in the database's catalogue."""

    kind: str
    object: str
    defect: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.object} {self.defect}"


def find_defects(connection: Connection) -> list[Defect]:
    """Run migrations/gate.sql, which any login may do, and return the defects it finds."""
    rows = connection.exec_driver_sql(GATE.read_text(encoding="utf-8"))
    return [Defect(*row) for row in rows]


def alembic_config() -> Config:
    """Return Alembic's configuration, whatever the current directory is."""
    settings = Config(str(ROOT / "alembic.ini"))
    settings.set_main_option("script_location", str(ROOT / "migrations").replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    settings.set_main_option("prepend_sys_path", str(ROOT).replace("%", "%%"))
    return settings


@group.command("upgrade")
@click.argument("revision", default="head")
def upgrade(revision: str) -> None:
    """Migrate the schema up to REVISION (default: the newest)."""
    command.upgrade(alembic_config(), revision)
    click.echo(f"The schema is at {revision}.")


@group.command("downgrade")
@click.argument("revision")
def downgrade(revision: str) -> None:
    """Migrate the schema back to REVISION; the data of newer tables is lost."""
    command.downgrade(alembic_config(), revision)
    click.echo(f"The schema is at {revision}.")


@group.command("current")
def current() -> None:
    """Show the current revision of the database."""
    command.current(alembic_config())


@group.command("create-login")
def create_login() -> None:
    """Create the login of DATABASE_URL, or set its password, as the login of DIRECT_URL.

    It may take the roles of the service, and has no other privilege.
    """
    settings = config.current()
    service, admin = make_url(settings.database_url), make_url(settings.migration_url)
    name = role_of(service)
    if not name or not service.password:
        raise click.ClickException("DATABASE_URL must contain the login's name and password.")
    if name == role_of(admin):
        raise click.ClickException(
            "DATABASE_URL and DIRECT_URL have the same login. Set DIRECT_URL to one that may "
            "create roles, and DATABASE_URL to the one that is to be created."
        )
    engine = create_engine(normalise_url(settings.migration_url), poolclass=pool.NullPool)
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        secret = encrypt_password(service.password, name, driver, "scram-sha-256")
        has_privileges = connection.scalar(HAS_PRIVILEGES, {"name": name})
        change = "ALTER" if has_privileges is not None else "CREATE"
        # Only a superuser may name these attributes of an existing login, even to leave them off.
        attributes = "LOGIN" if has_privileges is False else LOGIN_ATTRIBUTES
        for statement in (f"{change} ROLE {{name}} {attributes} PASSWORD {{secret}}", GRANT):
            composed = SQL(statement).format(name=Identifier(name), secret=Literal(secret))
            connection.exec_driver_sql(composed.as_string(driver).replace("%", "%%"))
    click.echo(f"The login {name} may take the roles {APP_ROLE} and {SYSTEM_ROLE} only.")


def role_of(url: URL) -> str:
    """Return the role of a login: Supabase's pooler wants the project's name behind it."""
    return (url.username or "").partition(".")[0]


@group.command("check")
def check() -> None:
    """Check the isolation of tenants in the schema; exits with 1 if it has gaps."""
    engine = create_engine(normalise_url(config.current().migration_url), poolclass=pool.NullPool)
    with engine.connect() as connection:
        defects = find_defects(connection)
    for found in defects:
        click.echo(found)
    if defects:
        raise click.ClickException(f"{len(defects)} defects. Fix them with a migration.")
    click.echo("No defects: tenants are isolated.")
