"""`flask --app wsgi database …`: the schema."""

from pathlib import Path
from typing import NamedTuple

import click
from alembic import command
from alembic.config import Config
from flask.cli import AppGroup
from sqlalchemy import Connection, create_engine, pool

from app import config
from app.db import normalise_url

ROOT = Path(__file__).resolve().parents[2]
GATE = ROOT / "migrations" / "gate.sql"

group = AppGroup("database", help="The database's schema.")


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
