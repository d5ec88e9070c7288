"""The service inside this process, for the SQL that it runs."""

from dataclasses import replace

from flask import Flask

from app import config, create_app


def quiet_app() -> Flask:
    """With the stack's settings, but only its warnings."""
    return create_app(replace(config.current(), log_level="WARNING"))
