"""Runs migrations over DIRECT_URL, or DATABASE_URL if it is not set, one transaction each."""

import re

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from app.config import load
from app.db import normalise_url
from app.models import SCHEMA, Base

VERSION_SCHEMA = "recado_migrations"
"""Not in `recado`: the version table belongs to no tenant."""


PARTITION = re.compile(r"(events|audit_entries)_(old|default|y\d{4}m\d{2})")


def only_ours(name: str | None, type_: str, _parent: object) -> bool:
    """Limit autogenerate to our schema, and leave out partitions: each is part of its table."""
    if type_ == "table":
        return PARTITION.fullmatch(str(name)) is None
    return name == SCHEMA if type_ == "schema" else True


def run(connection: Connection) -> None:
    connection.execute(text("set lock_timeout = '5s'"))
    # The default search path includes a schema with the login's name. If that is our schema,
    # Alembic would compare it as the default schema, without a name.
    connection.execute(text("set search_path = public"))
    connection.dialect.default_schema_name = "public"
    connection.execute(text(f"create schema if not exists {VERSION_SCHEMA}"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        version_table_schema=VERSION_SCHEMA,
        include_schemas=True,
        include_name=only_ours,
        compare_type=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Recado's migrations need a database connection; --sql is not supported.")

given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    url = context.config.get_main_option("sqlalchemy.url") or load().migration_url
    engine = create_engine(normalise_url(url), poolclass=pool.NullPool)
    with engine.connect() as opened:
        run(opened)
