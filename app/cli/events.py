"""`flask --app wsgi events …`: the events that Recado records."""

import click

from app.cli.group import CommandGroup
from app.events import service as events

group = CommandGroup("events", help="The events that Recado records for a business.")


@group.command("describe")
def describe() -> None:
    """Print docs/events.md: every type of event and its payload."""
    click.echo(events.describe(), nl=False)
