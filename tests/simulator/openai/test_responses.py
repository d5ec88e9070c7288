"""The Responses API as the official client sees it."""

import json
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import ResponseOutputMessage, ResponseOutputRefusal

from tests.simulator.harness import Simulator
from tests.simulator.openai.asking import GET_ORDER, KEY, MODEL, QUICK, Script, ask, calls, function


def test_a_text_is_answered(ai: OpenAI) -> None:
    response = ask(ai, "hello")
    assert response.output_text == "Hello! I am the simulator's model. How can I help you?"
    assert (response.status, response.model, response.error) == ("completed", MODEL, None)
    assert response.usage is not None
    assert response.usage.input_tokens == 2
    assert response.usage.output_tokens_details.reasoning_tokens == 0
    assert response.usage.total_tokens == 2 + response.usage.output_tokens


def test_the_same_question_has_the_same_answer(ai: OpenAI) -> None:
    assert ask(ai, "Tell me a story").output_text == ask(ai, "Tell me a story").output_text


def test_every_answer_says_that_it_is_simulated(ai: OpenAI) -> None:
    raw = ai.responses.with_raw_response.create(model=MODEL, input="hello")
    assert raw.headers["x-simulator"] == "recado"
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["x-ratelimit-limit-requests"] == "10000"
    assert raw.headers["x-ratelimit-remaining-requests"] == "9999"
    assert raw.headers["x-ratelimit-reset-tokens"] == "1s"
    response = raw.parse()
    assert response.model_dump()["system_fingerprint"] == "fp_simulator"
    assert response._request_id == raw.headers["x-request-id"]


def test_a_tool_loop_with_reasoning(ai: OpenAI) -> None:
    items: list[Any] = [{"role": "user", "content": "¿Dónde está mi pedido 1042?"}]
    asked: Any = {"tools": [GET_ORDER], "store": False, "reasoning": {"effort": "low"}}
    first = ask(ai, items, **asked)
    reasoning, call = first.output
    assert (reasoning.type, call.type) == ("reasoning", "function_call")
    assert first.usage is not None
    assert first.usage.output_tokens_details.reasoning_tokens == 64
    assert json.loads(calls(first)[0].arguments) == {"order_number": "1042"}
    output = {"number": "1042", "status": "en camino"}
    result = {
        "type": "function_call_output",
        "call_id": calls(first)[0].call_id,
        "output": json.dumps(output),
    }
    second = ask(ai, [*items, *first.output, result], **asked)
    assert second.output_text == "Esto es lo que encontré: número 1042, estado en camino."
    with pytest.raises(openai.BadRequestError, match="without its required 'reasoning' item"):
        ask(ai, [*items, call, result], **asked)
    with pytest.raises(openai.BadRequestError, match="without its required following item"):
        ask(ai, [*items, reasoning], **asked)
    with pytest.raises(openai.NotFoundError, match="not persisted"):
        ask(ai, [*items, {"type": "reasoning", "id": "rs_1", "summary": []}, call, result])


def test_reasoning_that_is_not_ours_is_refused(ai: OpenAI) -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
    with pytest.raises(openai.BadRequestError) as refused:
        ask(ai, [item, {"role": "user", "content": "hello"}])
    assert refused.value.code == "invalid_encrypted_content"


def test_commentary_and_final_answer(ai: OpenAI, script: Script) -> None:
    script({"do": "text", "commentary": "Let me check.", "text": "Done."})
    response = ask(ai)
    messages = [item for item in response.output if isinstance(item, ResponseOutputMessage)]
    assert [message.phase for message in messages] == ["commentary", "final_answer"]
    assert response.output_text == "Let me check.Done."


def test_a_refusal(ai: OpenAI, script: Script) -> None:
    script({"do": "refusal", "text": "I cannot."})
    response = ask(ai)
    (message,) = response.output
    assert isinstance(message, ResponseOutputMessage)
    (part,) = message.content
    assert isinstance(part, ResponseOutputRefusal)
    assert (part.refusal, response.output_text) == ("I cannot.", "")


def test_a_failed_response_is_http_200(ai: OpenAI, script: Script) -> None:
    script({"do": "failed", "code": "rate_limit_exceeded", "message": "Later.", "usage": None})
    response = ask(ai)
    assert (response.status, response.usage, response.output) == ("failed", None, [])
    assert response.error is not None
    assert (response.error.code, response.error.message) == ("rate_limit_exceeded", "Later.")


def test_reasoning_counts_towards_the_greatest_output(ai: OpenAI) -> None:
    response = ask(ai, max_output_tokens=100, reasoning={"effort": "medium"})
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"
    assert ([item.type for item in response.output], response.output_text) == (["reasoning"], "")
    assert response.usage is not None
    assert (response.usage.output_tokens, response.usage.total_tokens) == (100, 102)


def test_a_long_text_is_cut_at_the_greatest_output(ai: OpenAI, script: Script) -> None:
    script({"do": "text", "text": "word " * 100})
    response = ask(ai, max_output_tokens=20)
    (message,) = response.output
    assert isinstance(message, ResponseOutputMessage)
    assert (response.status, message.status) == ("incomplete", "incomplete")
    assert response.output_text == "word " * 16


def test_cut_arguments_are_not_json(ai: OpenAI, script: Script) -> None:
    script({"do": "calls", "calls": [{"name": "get_order", "arguments": {"text": "x" * 200}}]})
    (call,) = calls(ask(ai, tools=[GET_ORDER], max_output_tokens=20))
    assert call.status == "incomplete"
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(call.arguments)


def test_scripted_incomplete(ai: OpenAI, script: Script) -> None:
    script({"do": "incomplete", "reason": "content_filter", "text": "Well, "})
    response = ask(ai)
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "content_filter"
    assert (response.status, response.output_text) == ("incomplete", "Well, ")


def test_several_calls_and_invalid_arguments(ai: OpenAI, script: Script) -> None:
    script(
        {
            "do": "calls",
            "calls": [
                {"name": "get_order", "arguments": {"order_number": "1"}},
                {"name": "other", "arguments": '{"broken": '},
            ],
        }
    )
    first, second = calls(ask(ai, tools=[GET_ORDER]))
    assert (first.name, json.loads(first.arguments)) == ("get_order", {"order_number": "1"})
    assert (second.name, second.arguments) == ("other", '{"broken": ')
    assert first.call_id != second.call_id


def test_responses_are_stored_unless_told_otherwise(ai: OpenAI, simulator: Simulator) -> None:
    kept, dropped = ask(ai), ask(ai, store=False)
    assert (kept.model_dump()["store"], dropped.model_dump()["store"]) == (True, False)
    assert ai.responses.retrieve(kept.id).output_text == kept.output_text
    with pytest.raises(openai.NotFoundError):
        ai.responses.retrieve(dropped.id)
    ai.responses.delete(kept.id)
    with pytest.raises(openai.NotFoundError):
        ai.responses.retrieve(kept.id)


def test_a_stored_response_is_continued(ai: OpenAI) -> None:
    first = ask(ai, "Where is my order?", tools=[GET_ORDER])
    assert first.output_text == "For that I need to know: order number."
    second = ask(ai, "1042", tools=[GET_ORDER], previous_response_id=first.id)
    assert json.loads(calls(second)[0].arguments) == {"order_number": "1042"}
    with pytest.raises(openai.BadRequestError) as refused:
        ask(ai, previous_response_id="resp_0")
    assert refused.value.code == "previous_response_not_found"


def test_a_long_beginning_is_cached(ai: OpenAI) -> None:
    instructions = "Be kind. " * 600
    cached: list[int] = []
    for text in ("one", "two"):
        usage = ask(ai, text, instructions=instructions).usage
        assert usage is not None
        cached.append(usage.input_tokens_details.cached_tokens)
    assert cached == [0, 1280]
    short = ask(ai, "one", instructions="Be kind. " * 100).usage
    assert short is not None
    assert short.input_tokens_details.cached_tokens == 0


def test_an_answer_in_json(ai: OpenAI) -> None:
    schema = function("x", intent={"type": "string", "enum": ["order", "other"]})["parameters"]
    form: Any = {"format": {"type": "json_schema", "name": "x", "schema": schema, "strict": True}}
    answer = ask(ai, "Where is it?", text=form).output_text
    assert json.loads(answer)["intent"] in ("order", "other")


def test_the_log_shows_what_was_sent(ai: OpenAI, simulator: Simulator) -> None:
    ask(ai, "hello", metadata={"tenant": "1"}, safety_identifier="abc")
    with pytest.raises(openai.BadRequestError):
        ask(ai, temperature=3)
    log = simulator.control("GET", f"/openai/log?key={KEY}")
    answered, refused = log["items"]
    assert answered["body"] == {
        "model": MODEL,
        "reasoning": QUICK,
        "input": "hello",
        "metadata": {"tenant": "1"},
        "safety_identifier": "abc",
    }
    assert (answered["outcome"], answered["endpoint"]) == ("answered", "responses")
    assert (refused["http_status"], refused["code"]) == (400, "decimal_above_max_value")
    assert refused["param"] == "temperature"
    assert KEY not in json.dumps(log)
    after = simulator.control("GET", f"/openai/log?after={answered['n']}&limit=1")
    assert [entry["n"] for entry in after["items"]] == [refused["n"]]
    keys = simulator.control("GET", "/openai")["keys"]
    assert answered["key"] in {key["fingerprint"] for key in keys}
    assert simulator.control("GET", "/openai/log?key=another")["items"] == []


def test_pictures_are_short_in_the_log(ai: OpenAI, simulator: Simulator) -> None:
    picture = "data:image/png;base64," + "A" * 50_000
    content = [{"type": "input_image", "image_url": picture, "detail": "auto"}]
    response = ask(ai, [{"role": "user", "content": content}])
    assert response.output_text.endswith("cannot see pictures.")
    assert response.usage is not None
    assert response.usage.input_tokens == 300
    (entry,) = simulator.control("GET", "/openai/log")["items"]
    assert "(50022 characters)" in entry["body"]["input"][0]["content"][0]["image_url"]
