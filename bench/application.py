"""The service inside this process, to record the SQL that it runs."""

from dataclasses import replace

from flask import Flask

from app import config, create_app


def quiet_app() -> Flask:
    """Create the app with the stack's settings, logging only warnings."""
    return create_app(replace(config.current(), log_level="WARNING"))
