"""A server in a model's place, which gives the answers of a list, one after the other."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from app.ai.types import Endpoint
from tests.channels.local_server import LocalServer, answering, serve

ANSWER: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "gpt-6-luna",
    "status": "completed",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 1500,
        "input_tokens_details": {"cached_tokens": 1100, "cache_write_tokens": 100},
        "output_tokens": 150,
        "output_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 1650,
    },
}


def message(text: str, **fields: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
        **fields,
    }


def answer(*output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {**ANSWER, "output": list(output), **fields}


def failure(code: str | None, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": "no", "type": "invalid", "code": code, "param": None, **fields}}


@contextmanager
def model_server(*answers: tuple[str, Any, *tuple[str, ...]]) -> Iterator[LocalServer]:
    """Serve (status line, JSON, *headers) in this order; the last one again and again."""
    left = list(answers)

    def behave(connection: socket.socket) -> None:
        status, body, *headers = left.pop(0) if len(left) > 1 else left[0]
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answering(status, raw, "Content-Type: application/json", *headers)(connection)

    with serve(behave) as server:
        yield server


def sent(server: LocalServer, number: int = -1) -> dict[str, Any]:
    """Return the body of a request."""
    found: dict[str, Any] = json.loads(server.requests[number].partition(b"\r\n\r\n")[2])
    return found


def path_of(server: LocalServer, number: int = -1) -> str:
    return server.requests[number].split(b" ")[1].decode()


def endpoint(server: LocalServer, **fields: Any) -> Endpoint:
    return Endpoint(f"{server.url}/v1", "sk-test", **{"is_trusted": True, **fields})
