"""The application that gunicorn and `flask --app wsgi` load."""

import sys

import click

from app import config, create_app, db
from app.common import vault
from app.config import SettingsError

try:
    app = create_app()
    # A command must run before everything is in order: `database upgrade` creates the roles.
    if click.get_current_context(silent=True) is None:
        db.refuse_unsafe(config.current())
        vault.refuse_wrong_keys()
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    # gunicorn gives up after exit code 3; after any other code it would start the worker again,
    # forever.
    sys.exit(3)
