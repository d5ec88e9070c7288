from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy.exc import DBAPIError

SCHEMA_MISSING = ("42P01", "3F000", "42703", "42883")
"""SQLSTATE: there is no such table, schema, column or function."""


class CommandGroup(AppGroup):
    """Commands that end in one sentence when the database cannot be used."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except DBAPIError as error:
            raise click.ClickException(explain(error)) from error


def explain(error: DBAPIError) -> str:
    """Return what is wrong with the database, and what to do. Raises the error if it is a bug."""
    state = getattr(error.orig, "pgcode", None)
    reason = str(error.orig).strip().partition("\n")[0]
    if state in SCHEMA_MISSING:
        return f"The schema is missing or old: run 'flask --app wsgi database upgrade' ({reason})."
    if state is None or state.startswith(("08", "28", "3D", "53", "57")):
        return (
            f"The database cannot be used ({reason}). Check DATABASE_URL, or for migrations "
            "DIRECT_URL, and that the server is running."
        )
    raise error
