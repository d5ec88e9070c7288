"""Embeddings: texts that share words are near each other, and a text is always the same vector."""

import base64
import hashlib
import math
import struct
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from simulator.openai import checks
from simulator.openai.catalogue import Model
from simulator.openai.checks import Check
from simulator.openai.errors import ApiError, bad_request, missing, wrong_type
from simulator.openai.script import Rule
from simulator.openai.serving import Exchange, serve
from simulator.openai.tokens import count
from simulator.openai.words import TOPIC_OF, words

_MOST_INPUTS: Final = 2048
_MOST_TOKENS: Final = 300_000
_FIELDS: Final[dict[str, Check]] = {
    "model": checks.text(),
    "input": checks.anything,
    "dimensions": checks.whole(1),
    "encoding_format": checks.one_of("float", "base64"),
    "user": checks.text(),
}


async def create(request: web.Request) -> web.StreamResponse:
    return await serve(request, "embeddings", prepare)


def prepare(exchange: Exchange) -> "EmbeddingQuestion":
    body = exchange.body
    checks.check_fields(body, _FIELDS)
    model = exchange.model("embedding")
    texts = _texts(body.get("input"))
    longest = max(count(text) for text in texts)
    if longest > model.context:
        message = (
            f"This model's maximum context length is {model.context} tokens, however you requested "
            f"{longest} tokens. Please reduce your prompt."
        )
        raise bad_request(message, "context_length_exceeded", "input")
    if (total := sum(map(count, texts))) > _MOST_TOKENS:
        code = "max_tokens_per_request"
        message = f"Requested {total} tokens, max {_MOST_TOKENS} tokens per request"
        raise ApiError(400, message, code, kind=code)
    size = body.get("dimensions") or model.dimensions
    if size > model.dimensions:
        message = f"Invalid 'dimensions': at most {model.dimensions} for {model.name}."
        raise bad_request(message, "integer_above_max_value", "dimensions")
    return EmbeddingQuestion(model, texts, size, body.get("encoding_format") or "float")


def _texts(value: Any) -> tuple[str, ...]:
    if value is None:
        raise missing("input")
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise wrong_type("input", "one of a string or an array of strings", value)
    if not texts or not all(texts):
        raise bad_request("'input' cannot be an empty string or array.", "invalid_value", "input")
    if len(texts) > _MOST_INPUTS:
        message = f"Invalid 'input': array too long, at most {_MOST_INPUTS}."
        raise bad_request(message, "array_above_max_length", "input")
    return tuple(texts)


@dataclass(frozen=True)
class EmbeddingQuestion:
    model: Model
    texts: tuple[str, ...]
    size: int
    encoding: str

    @property
    def input_tokens(self) -> int:
        return sum(count(text) for text in self.texts)

    def answer(self, _: Rule | None) -> dict[str, Any]:
        vectors = [vector(text, self.size) for text in self.texts]
        data = [
            {"object": "embedding", "index": index, "embedding": self._encoded(values)}
            for index, values in enumerate(vectors)
        ]
        tokens = self.input_tokens
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": self.model.name, "usage": usage}

    def _encoded(self, values: list[float]) -> list[float] | str:
        if self.encoding == "float":
            return values
        return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def vector(text: str, size: int) -> list[float]:
    """Return a vector of length 1 that counts the words; words of one topic count as one."""
    values = [0.0] * size
    for word in words(text) or [text]:
        digest = hashlib.sha256(TOPIC_OF.get(word, word).encode()).digest()
        values[int.from_bytes(digest[:4]) % size] += 1.0
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]
