"""Transcriptions and embeddings."""

import math
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.simulator.harness import Simulator
from tests.simulator.openai.asking import KEY, Script

SMALL = "text-embedding-3-small"
VOICE = b"OggS" + bytes(9_996)


def hear(client: OpenAI, name: str = "voice.ogg", data: bytes = VOICE, **values: Any) -> Any:
    values = {"model": "gpt-transcribe", **values}
    return client.audio.transcriptions.create(file=(name, data, "audio/ogg"), **values)


def test_a_voice_note_is_transcribed(ai: OpenAI, script: Script, simulator: Simulator) -> None:
    assert hear(ai).text == "Simulated transcript of voice.ogg, 10000 bytes."
    assert hear(ai, language="es").text == "Transcripción simulada de voice.ogg, 10000 bytes."
    script({"do": "text", "text": "Where is my order 1042?", "endpoint": "transcriptions"})
    heard = hear(ai, prompt="orders")
    assert heard.text == "Where is my order 1042?"
    assert (heard.usage.type, heard.usage.input_tokens) == ("tokens", 50)
    entry = simulator.control("GET", f"/openai/log?key={KEY}")["items"][-1]
    assert entry["body"] == {
        "file": {"name": "voice.ogg", "type": "audio/ogg", "bytes": 10_000},
        "model": "gpt-transcribe",
        "prompt": "orders",
    }


@pytest.mark.parametrize("name", ["voice.oga", "voice.opus", "voice"])
def test_a_file_is_judged_by_its_name(ai: OpenAI, name: str) -> None:
    with pytest.raises(openai.BadRequestError, match="Unsupported file format"):
        hear(ai, name)


def test_what_transcriptions_refuse(ai: OpenAI, simulator: Simulator) -> None:
    with pytest.raises(openai.BadRequestError, match="too short"):
        hear(ai, data=b"")
    with pytest.raises(openai.BadRequestError, match="Maximum content size"):
        hear(ai, data=bytes(25 * 1024 * 1024 + 1))
    with pytest.raises(openai.NotFoundError):
        hear(ai, model="gpt-6-luna")
    simulator.control("PUT", "/openai/today", {"today": "2027-02-26"})
    with pytest.raises(openai.NotFoundError):
        hear(ai, model="whisper-1")
    with pytest.raises(openai.BadRequestError) as unknown:
        hear(ai, extra_body={"colour": "red"})
    assert unknown.value.code == "unknown_parameter"


def test_embeddings(ai: OpenAI) -> None:
    texts = ["Where is my order?", "¿Dónde está mi pedido?", "Cats sleep"]
    answer = ai.embeddings.create(model=SMALL, input=texts)
    order, pedido, cats = (item.embedding for item in answer.data)
    assert len(order) == 1536
    assert math.isclose(sum(value * value for value in order), 1, rel_tol=1e-5)
    assert _similarity(order, pedido) > _similarity(order, cats)
    again = ai.embeddings.create(model=SMALL, input=texts[0], encoding_format="float")
    assert _similarity(again.data[0].embedding, order) > 0.999
    assert again.usage.prompt_tokens == 5
    short = ai.embeddings.create(model="text-embedding-3-large", input="x", dimensions=256)
    assert len(short.data[0].embedding) == 256


def _similarity(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"input": ""}, "invalid_value"),
        ({"input": []}, "invalid_value"),
        ({"input": ["x"] * 2049}, "array_above_max_length"),
        ({"input": "x" * 40_000}, "context_length_exceeded"),
        ({"input": ["x" * 32_000] * 38}, "max_tokens_per_request"),
        ({"input": "x", "dimensions": 4000}, "integer_above_max_value"),
        ({"input": "x", "extra_body": {"colour": 1}}, "unknown_parameter"),
    ],
)
def test_what_embeddings_refuse(ai: OpenAI, values: Any, code: str) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        ai.embeddings.create(**{"model": SMALL, **values})
    assert refused.value.code == code
