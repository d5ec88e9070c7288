"""OpenAI's Embeddings API: what a text means, as a vector that can be compared with others."""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.ai.catalogue import EmbeddingModel, Usage

MOST_TEXTS = 2_048
MOST_TOKENS = 300_000
"""Of all texts of a request; OpenAI refuses more."""

Vector = tuple[float, ...]


@dataclass(frozen=True)
class Embedded:
    """The vectors of the texts, in their order. `usage` is None where the server did not say."""

    vectors: tuple[Vector, ...]
    usage: Usage | None


def request(model: EmbeddingModel, texts: Sequence[str]) -> dict[str, Any]:
    """Return the body of POST /embeddings. Texts must not be empty."""
    return {"model": model.name, "input": list(texts), "dimensions": model.dimensions}


def read(answer: Any, model: EmbeddingModel, number: int) -> Embedded:
    """Read a CreateEmbeddingResponse of OpenAI's library, which checks nothing of it.

    Raises ValueError or TypeError if it is not one vector for each of the texts.
    """
    # As numbers of four bytes, which is how the server made them and how they are stored.
    found = {each.index: tuple(array("f", map(float, each.embedding))) for each in answer.data}
    vectors = tuple(found[index] for index in range(number))
    if len(answer.data) != number or not all(_is_sound(each, model) for each in vectors):
        raise ValueError("not one vector for each text")
    return Embedded(vectors, _usage(answer.usage))


def _is_sound(vector: Vector, model: EmbeddingModel) -> bool:
    """Return whether the vector can be stored and compared: one of zeros has no direction."""
    return len(vector) == model.dimensions and 0 < math.hypot(*vector) < math.inf


def _usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    tokens = usage.prompt_tokens
    if type(tokens) is not int or not 0 <= tokens <= MOST_TOKENS:
        raise TypeError("a number of tokens is something else")
    return Usage(input=tokens)
