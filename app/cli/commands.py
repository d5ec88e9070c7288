"""`flask --app wsgi …`: the commands of an operator."""

from flask import Flask

from app.cli import database, demo, events, inbox, secrets, tenants


def init_app(app: Flask) -> None:
    app.cli.add_command(database.group)
    app.cli.add_command(demo.group)
    app.cli.add_command(events.group)
    app.cli.add_command(inbox.group)
    app.cli.add_command(tenants.group)
    app.cli.add_command(secrets.group)
