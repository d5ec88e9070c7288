"""The paths of the vendor's API, below /openai/v1."""

from aiohttp import web

from simulator.openai import responses
from simulator.openai.errors import PREFIX


def openai_routes() -> list[web.RouteDef]:
    return [
        web.post(f"{PREFIX}/responses", responses.create),
        web.get(f"{PREFIX}/responses/{{id}}", responses.fetch),
        web.delete(f"{PREFIX}/responses/{{id}}", responses.delete),
    ]
