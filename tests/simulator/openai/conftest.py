"""The official client, on a key of its own."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from tests.simulator.harness import Simulator
from tests.simulator.openai.asking import KEY, Script, connect


@pytest.fixture
def ai(simulator: Simulator) -> Iterator[OpenAI]:
    simulator.control("PUT", f"/openai/keys/{KEY}", {})
    with connect(simulator) as client:
        yield client


@pytest.fixture
def script(simulator: Simulator) -> Script:
    def load(*rules: dict[str, Any]) -> None:
        simulator.control("PUT", "/openai/rules", {"key": KEY, "rules": list(rules)})

    return load
