"""`flask --app wsgi events …`: what Recado tells of itself."""

import click
from flask.cli import AppGroup

from app.events import service as events

group = AppGroup("events", help="The facts that Recado records for a business.")


@group.command("describe")
def describe() -> None:
    """Print docs/events.md: every type of event and what its payload holds."""
    click.echo(events.describe(), nl=False)
