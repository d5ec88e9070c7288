"""What a key is charged for: whatever a model answered, whether or not it arrived."""

from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.simulator.harness import Simulator, wait_until
from tests.simulator.openai.asking import KEY, MODEL, Script, ask


def bill(simulator: Simulator) -> tuple[int, int]:
    """Return (answers, tokens)."""
    found = simulator.control("GET", f"/openai/keys/{KEY}/bill")
    return found["answers"], found["input_tokens"] + found["output_tokens"]


def test_an_answer_costs_what_it_says(ai: OpenAI, simulator: Simulator) -> None:
    assert bill(simulator) == (0, 0)
    usage = ask(ai).usage
    assert usage is not None
    chat: Any = ai.chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "hello"}]
    )
    assert bill(simulator) == (2, usage.total_tokens + chat.usage.total_tokens)


@pytest.mark.parametrize(
    "rule",
    [{"do": "cut"}, {"do": "hang", "seconds": 0.1}, {"do": "malformed"}],
)
def test_an_answer_that_is_lost_costs_as_much(
    ai: OpenAI, script: Script, simulator: Simulator, rule: dict[str, Any]
) -> None:
    ask(ai)
    _, one = bill(simulator)
    script({**rule, "next": 1})
    with pytest.raises((openai.APIConnectionError, ValueError)):
        ask(ai)
    assert bill(simulator) == (2, 2 * one)


def test_an_answer_costs_also_where_its_usage_is_not_told(
    ai: OpenAI, script: Script, simulator: Simulator
) -> None:
    script({"do": "text", "text": "four", "usage": None})
    asked = ask(ai, "hello")
    assert asked.usage is None
    assert simulator.control("GET", f"/openai/keys/{KEY}/bill")["output_tokens"] == 1


def test_an_answer_that_comes_when_the_caller_is_gone_costs_as_much(
    ai: OpenAI, script: Script, simulator: Simulator
) -> None:
    script({"do": "default", "seconds": 0.5, "next": 1})
    with pytest.raises(openai.APITimeoutError):
        ask(ai.with_options(timeout=0.1))
    ask(ai)
    wait_until(lambda: bill(simulator)[0] == 2)


@pytest.mark.parametrize(
    "rule", [{"do": "fail_500"}, {"do": "rate_limit"}, {"do": "no_quota"}, {"do": "error"}]
)
def test_a_refusal_costs_nothing(
    ai: OpenAI, script: Script, simulator: Simulator, rule: dict[str, Any]
) -> None:
    script(rule)
    with pytest.raises(openai.APIStatusError):
        ask(ai)
    assert bill(simulator) == (0, 0)


def test_a_failed_response_costs_nothing(ai: OpenAI, script: Script, simulator: Simulator) -> None:
    script({"do": "failed"})
    assert ask(ai).status == "failed"
    assert bill(simulator) == (0, 0)


def test_an_unknown_key_has_no_bill(simulator: Simulator) -> None:
    simulator.control("GET", "/openai/keys/sk-nobody/bill", status=404)
