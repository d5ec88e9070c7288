"""The paths of the vendor's API, below /openai/v1."""

from aiohttp import web

from simulator.openai import chat, embeddings, models, responses, transcriptions
from simulator.openai.errors import PREFIX


def openai_routes() -> list[web.RouteDef]:
    return [
        web.post(f"{PREFIX}/responses", responses.create),
        web.get(f"{PREFIX}/responses/{{id}}", responses.fetch),
        web.delete(f"{PREFIX}/responses/{{id}}", responses.delete),
        web.post(f"{PREFIX}/chat/completions", chat.create),
        web.post(f"{PREFIX}/audio/transcriptions", transcriptions.create),
        web.post(f"{PREFIX}/embeddings", embeddings.create),
        web.get(f"{PREFIX}/models", models.list_models),
        web.get(f"{PREFIX}/models/{{id}}", models.fetch),
    ]
