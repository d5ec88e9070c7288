"""Rules of the control API: which one applies, and which are not valid."""

from typing import Any

import pytest
from openai import OpenAI

from tests.simulator.harness import Simulator
from tests.simulator.openai.asking import KEY, Script, ask, connect


def test_rules_are_a_queue(ai: OpenAI, script: Script) -> None:
    script(
        {"do": "text", "text": "one", "next": 1},
        {"do": "text", "text": "two", "next": 1},
    )
    answers = [ask(ai).output_text for _ in range(3)]
    assert answers[:2] == ["one", "two"]
    assert answers[2].startswith("Hello!")


def test_rules_match_text_model_and_endpoint(ai: OpenAI, script: Script) -> None:
    script(
        {"do": "text", "text": "chat", "endpoint": "chat"},
        {"do": "text", "text": "luna", "model": "gpt-5.6-luna"},
        {"do": "text", "text": "found", "contains": "needle"},
    )
    assert ask(ai, model="gpt-5.6-luna").output_text == "luna"
    assert ask(ai, "a needle here").output_text == "found"
    assert ask(ai, "hello", instructions="a needle").output_text == "found"
    assert ask(ai, "hello").output_text.startswith("Hello!")


def test_the_rules_of_a_key_leave_the_others_alone(ai: OpenAI, simulator: Simulator) -> None:
    simulator.control("PUT", "/openai/keys/sk-other", {})
    for key in (KEY, "sk-other"):
        rules = [{"do": "text", "text": f"for {key}"}]
        simulator.control("PUT", "/openai/rules", {"key": key, "rules": rules})
    with connect(simulator, "sk-other") as other:
        assert ask(other).output_text == "for sk-other"
        simulator.control("DELETE", "/openai/rules?key=sk-other")
        assert ask(other).output_text.startswith("Hello!")
    assert ask(ai).output_text == f"for {KEY}"
    (rule,) = simulator.control("GET", "/openai")["rules"]
    assert (rule["fired"], rule["key"]) == (1, KEY)
    simulator.control("POST", "/openai/rules", {"do": "text", "text": "last"}, status=201)
    simulator.control("DELETE", "/openai/rules")
    assert simulator.control("GET", "/openai")["rules"] == []


def test_a_rate_has_a_seed(ai: OpenAI, script: Script) -> None:
    seen = []
    for _ in range(2):
        script({"do": "text", "text": "struck", "rate": 0.5})
        seen.append([ask(ai).output_text == "struck" for _ in range(12)])
    assert seen[0] == seen[1]
    assert set(seen[0]) == {True, False}


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"do": "dance"},
        {"do": "text"},
        {"do": "calls"},
        {"do": "calls", "calls": [{}]},
        {"do": "text", "text": 1},
        {"do": "text", "text": "x", "next": -1},
        {"do": "text", "text": "x", "colour": "red"},
        {"do": "text", "text": "x", "endpoint": "nowhere"},
    ],
)
def test_a_wrong_rule_changes_nothing(simulator: Simulator, rule: Any) -> None:
    simulator.control("PUT", "/openai/rules", {"rules": [{"do": "refusal"}]})
    simulator.control("PUT", "/openai/rules", {"rules": [rule]}, status=400)
    simulator.control("POST", "/openai/rules", rule, status=400)
    assert [each["do"] for each in simulator.control("GET", "/openai")["rules"]] == ["refusal"]


def test_wrong_control_requests(simulator: Simulator) -> None:
    simulator.control("PUT", "/openai/today", {"today": "tomorrow"}, status=400)
    simulator.control("PUT", "/openai/keys/sk-x", {"brain": "great"}, status=400)
    simulator.control("PUT", "/openai/keys/sk-x", {"colour": "red"}, status=400)
    simulator.control("PUT", "/openai/keys/sk-x", {"models": "all"}, status=400)
    simulator.control("DELETE", "/openai/keys/sk-x", status=404)
    simulator.control("PUT", "/openai/rules", {"rules": "all"}, status=400)


def test_a_reset_restores_the_start(ai: OpenAI, simulator: Simulator) -> None:
    simulator.control("PUT", "/openai/today", {"today": "2030-01-01"})
    simulator.control("PUT", "/openai/rules", {"rules": [{"do": "refusal"}]})
    ask(ai)
    simulator.control("DELETE", "/openai")
    state = simulator.control("GET", "/openai")
    assert ([key["key"] for key in state["keys"]], state["rules"]) == (["sk-simulator-demo"], [])
    assert state["today"] != "2030-01-01"
    assert simulator.control("GET", "/openai/log")["items"] == []
