"""Embeddings over HTTP: what is asked, what is read, and what no server can make us store."""

import base64
import math
import struct
from decimal import Decimal
from typing import Any

import pytest

from app import config
from app.ai import client, embedding
from app.ai.catalogue import Usage, catalogue, cost
from app.ai.embedding import Embedded, Vector
from app.ai.errors import AiError, BadQuestion, Misconfigured, Transient
from app.ai.types import Endpoint
from app.common.egress import Call
from app.config import Settings
from simulator.settings import Settings as SimulatorSettings
from tests.ai.model_server import endpoint, failure, model_server, path_of, sent
from tests.simulator.harness import Simulator
from tests.simulator.openai.asking import KEY

MODEL = catalogue().embedding
FIELDS = {"model", "input", "dimensions", "encoding_format"}
"""What OpenAI lists for POST /embeddings, besides `user`."""

OK = "200 OK"
ONE = [1.0, *[0.0] * (MODEL.dimensions - 1)]


@pytest.fixture(autouse=True)
def _settings(settings: Settings) -> None:
    config.use(settings)


def item(vector: Any = None, index: Any = 0) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": ONE if vector is None else vector}


def answer(*items: Any, **fields: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return {"object": "list", "data": list(items), "model": MODEL.name, "usage": usage, **fields}


def embed(server: Any, *texts: str) -> Embedded:
    return client.embed(endpoint(server, is_openai=True), MODEL, texts or ["hola"], Call(10.0))


def test_the_model_is_one_with_a_price() -> None:
    assert (MODEL.name, MODEL.dimensions) == ("text-embedding-3-small", 512)
    assert MODEL.key == "text-embedding-3-small/512"
    assert cost(MODEL.price, Usage(input=1_000_000)) == Decimal("0.02")


def test_a_request_holds_only_what_the_server_takes() -> None:
    assert embedding.request(MODEL, ["a", "b"]) == {
        "model": "text-embedding-3-small",
        "input": ["a", "b"],
        "dimensions": 512,
    }
    with model_server((OK, answer(item()))) as server:
        embed(server)
    assert path_of(server) == "/v1/embeddings"
    assert set(sent(server)) <= FIELDS


def test_vectors_come_in_the_order_of_the_texts() -> None:
    other = [0.0, *ONE[:-1]]
    with model_server((OK, answer(item(other, 1), item(ONE, 0)))) as server:
        made = embed(server, "a", "b")
    assert made == Embedded((tuple(ONE), tuple(other)), Usage(input=5))


def test_vectors_may_be_packed() -> None:
    packed = base64.b64encode(struct.pack(f"<{len(ONE)}f", *ONE)).decode()
    with model_server((OK, answer(item(packed)))) as server:
        assert embed(server).vectors == (tuple(ONE),)


@pytest.mark.parametrize(
    "body",
    [
        answer(),
        answer(item(), item()),
        answer(item(index=1)),
        answer(item(ONE[:-1])),
        answer(item([*ONE, 0.0])),
        answer(item([0.0] * MODEL.dimensions)),
        answer(item([1e300, *ONE[1:]])),
        answer(item([None, *ONE[1:]])),
        answer(item("!")),
        answer(item(), usage={"prompt_tokens": -1}),
        answer(item(), usage={"prompt_tokens": "many"}),
        answer(item(), usage={"prompt_tokens": 10**9}),
        answer(None),
        {"object": "list"},
        {},
        b"[",
        b'{"data": [{"index": 0, "embedding": [NaN]}]}',
    ],
)
def test_what_is_no_vector_for_each_text_is_refused(body: Any) -> None:
    with model_server((OK, body)) as server, pytest.raises(Transient) as failed:
        embed(server)
    assert failed.value.code == "invalid_answer"


def test_a_number_too_small_to_be_stored_is_zero() -> None:
    with model_server((OK, answer(item([1.0, 1e-60, *ONE[2:]])))) as server:
        assert embed(server).vectors == (tuple(ONE),)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("400 Bad Request", "invalid_value", BadQuestion),
        ("400 Bad Request", "max_tokens_per_request", BadQuestion),
        ("401 Unauthorized", "invalid_api_key", Misconfigured),
        ("404 Not Found", "model_not_found", Misconfigured),
        ("429 Too Many Requests", "insufficient_quota", Misconfigured),
        ("429 Too Many Requests", "rate_limit_exceeded", Transient),
        ("503 Service Unavailable", None, Transient),
    ],
)
def test_failures_are_those_of_questions(
    status: str, code: str | None, kind: type[AiError]
) -> None:
    with model_server((status, failure(code))) as server, pytest.raises(kind):
        embed(server)


def dot(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_the_simulator_makes_what_we_read() -> None:
    simulator = Simulator(SimulatorSettings(port=0, fetch_media=False))
    try:
        simulator.control("PUT", f"/openai/keys/{KEY}", {})
        server = Endpoint(f"{simulator.base}/openai/v1", KEY, is_trusted=True, is_openai=True)
        made = client.embed(server, MODEL, ["mi pedido", "my order", "cats sleep"], Call(10.0))
    finally:
        simulator.close()
    mine, english, cats = made.vectors
    assert math.isclose(math.hypot(*mine), 1, rel_tol=1e-5)
    assert dot(mine, english) > dot(mine, cats)
    assert made.usage is not None
