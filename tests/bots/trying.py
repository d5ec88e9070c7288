"""Trying a bot with a server in its model's place."""

from dataclasses import replace
from typing import Any

from app import config
from app.config import Settings
from tests.bots.bodies import path_of
from tests.channels.local_server import LocalServer
from tests.factories import Answer, ApiClient

OPERATORS_KEY = "sk-operator-0001"
QUESTION = {"message": "¿Dónde está mi pedido?"}


def use(settings: Settings, server: LocalServer, **changes: Any) -> None:
    """Make this server the installation's model server."""
    changes = {"openai_api_key": OPERATORS_KEY, **changes}
    config.use(replace(settings, openai_base_url=f"{server.url}/v1", **changes))


def own(settings: Settings, server: LocalServer) -> dict[str, Any]:
    """Return the fields of a bot that has this server as its own."""
    config.use(replace(settings, allowed_private_hosts=(f"127.0.0.1:{server.port}",)))
    return {
        "openai_model": "m",
        "model": {"base_url": f"{server.url}/v1", "api_key": "sk-own-0002"},
    }


def try_bot(api: ApiClient, bot: dict[str, Any], **fields: Any) -> Answer:
    return api.post(f"{path_of(bot)}/reply", {**QUESTION, **fields})


def header(server: LocalServer, name: bytes) -> bytes | None:
    lines = server.requests[-1].partition(b"\r\n\r\n")[0].split(b"\r\n")
    found = [line.partition(b": ")[2] for line in lines if line.lower().startswith(name + b":")]
    return found[0] if found else None
