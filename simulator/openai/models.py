"""The list of models, with the dates on which they are shut down."""

from typing import Any

from aiohttp import web

from simulator.openai.catalogue import MODELS, Model
from simulator.openai.errors import json_response
from simulator.openai.script import Rule
from simulator.openai.serving import Exchange, find_model, serve


async def list_models(request: web.Request) -> web.StreamResponse:
    return await serve(request, "models", _ModelList, _no_body)


async def fetch(request: web.Request) -> web.StreamResponse:
    exchange = Exchange(request, "models")
    exchange.authenticate()
    return json_response(_described(find_model(exchange, request.match_info["id"])))


async def _no_body(_: web.Request) -> dict[str, Any]:
    return {}


def _described(model: Model) -> dict[str, Any]:
    return {
        "id": model.name,
        "object": "model",
        "created": 1_767_225_600,
        "owned_by": "simulator",
        "shutdown_date": model.shutdown.isoformat() if model.shutdown else None,
    }


class _ModelList:
    texts: tuple[str, ...] = ()
    input_tokens = 0

    def __init__(self, exchange: Exchange) -> None:
        self._key, self._today = exchange.key, exchange.state.today

    def answer(self, _: Rule | None) -> dict[str, Any]:
        listed = [
            _described(model)
            for model in MODELS.values()
            if not model.is_shut_down(self._today)
            and (self._key.models is None or model.name in self._key.models)
        ]
        return {"object": "list", "data": listed}
