"""Reading control requests, with clear errors for invalid ones."""

import json
from typing import Any

from aiohttp import web


def refuse(status: int, sentence: str) -> web.HTTPException:
    kinds = {404: web.HTTPNotFound, 409: web.HTTPConflict}
    kind = kinds.get(status, web.HTTPBadRequest)
    return kind(text=json.dumps({"error": sentence}), content_type="application/json")


async def read_json(request: web.Request) -> dict[str, Any]:
    """The body as an object; an empty body is an empty object."""
    raw = await request.read()
    if not raw:
        return {}
    try:
        data = json.loads(raw)
    except ValueError:
        raise refuse(400, "the body is not JSON") from None
    if not isinstance(data, dict):
        raise refuse(400, "the body must be a JSON object")
    return data


def integer(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isdigit():
        raise refuse(400, f"{name} must be a whole number")
    return int(text)
