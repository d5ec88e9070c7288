"""The Responses API: create, and fetch and delete what was stored."""

import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from simulator.openai import checks
from simulator.openai.asking import cached_tokens, check_context, reasoning_tokens, reply_to
from simulator.openai.checks import Body, Check
from simulator.openai.errors import ApiError, bad_request, json_response
from simulator.openai.items import Item, read_items
from simulator.openai.prompt import Ask, Output, Prompt, Refuse, Reply, Turn
from simulator.openai.reasoning import check_reasoning
from simulator.openai.schemas import read_format
from simulator.openai.script import Rule
from simulator.openai.serving import Exchange, serve
from simulator.openai.state import StoredResponse, encrypted_reasoning
from simulator.openai.tools import read_choice, read_tools

_TEXT: Final = checks.fields(
    {
        "format": checks.anything,
        "verbosity": checks.one_of("low", "medium", "high"),
    }
)
_REASONING: Final = checks.fields(
    {
        "effort": checks.anything,
        "summary": checks.one_of("auto", "concise", "detailed"),
        "generate_summary": checks.one_of("auto", "concise", "detailed"),
        "context": checks.one_of("auto", "current_turn", "all_turns"),
        "mode": checks.one_of("standard", "pro"),
    }
)
_FIELDS: Final[dict[str, Check]] = {
    "model": checks.text(),
    "input": checks.anything,
    "instructions": checks.text(),
    "max_output_tokens": checks.whole(16),
    "max_tool_calls": checks.whole(1),
    "temperature": checks.decimal(0, 2),
    "top_p": checks.decimal(0, 1),
    "top_logprobs": checks.whole(0, 20),
    "reasoning": _REASONING,
    "text": _TEXT,
    "tools": checks.anything,
    "tool_choice": checks.anything,
    "parallel_tool_calls": checks.boolean,
    "previous_response_id": checks.text(),
    "store": checks.boolean,
    "metadata": checks.metadata,
    "truncation": checks.one_of("auto", "disabled"),
    "safety_identifier": checks.text(128),
    "prompt_cache_key": checks.text(),
    "prompt_cache_options": checks.anything,
    "prompt_cache_retention": checks.one_of("in_memory", "24h"),
    "service_tier": checks.one_of(
        "auto", "default", "flex", "priority", "fast", "ultrafast", "scale"
    ),
    "include": checks.anything,
    "context_management": checks.anything,
    "moderation": checks.anything,
    "user": checks.text(),
    "background": checks.boolean,
    "stream": checks.boolean,
    "stream_options": checks.anything,
}
_MOVED: Final = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "messages": "input",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
}
_NOT_SIMULATED: Final = ("stream", "background")


async def create(request: web.Request) -> web.StreamResponse:
    return await serve(request, "responses", prepare)


def prepare(exchange: Exchange) -> "ResponsesQuestion":
    body = exchange.body
    for name, moved in _MOVED.items():
        if name in body:
            message = (
                f"Unsupported parameter: '{name}'. In the Responses API, this parameter has "
                f"moved to '{moved}'. Try again with the new parameter."
            )
            raise bad_request(message, "unsupported_parameter", name)
    checks.check_fields(body, _FIELDS)
    model = exchange.model("text")
    for name in _NOT_SIMULATED:
        if body.get(name):
            raise bad_request(f"The simulator has no '{name}'.", "unsupported_value", name)
    effort = checks.effort_of(
        model, (body.get("reasoning") or {}).get("effort"), "reasoning.effort"
    )
    checks.check_sampling(body, model, effort)
    tools = read_tools(body, nested=False)
    items = _all_items(exchange)
    turns = (*_instructions(body), *read_items(items))
    check_reasoning(exchange.state, items)
    prompt = Prompt(
        model=model,
        effort=effort,
        turns=turns,
        tools=tools,
        choice=read_choice(body, tools, nested=False),
        parallel=body.get("parallel_tool_calls") is not False,
        limit=body.get("max_output_tokens"),
        schema=_schema(body),
        today=exchange.state.today,
    )
    prompt = check_context(exchange, prompt, "input", cut=body.get("truncation") == "auto")
    return ResponsesQuestion(exchange, prompt, items)


def _instructions(body: Body) -> tuple[Turn, ...]:
    text = body.get("instructions")
    return (Turn("message", text, role="system"),) if text else ()


def _all_items(exchange: Exchange) -> list[Item]:
    """Return the input items, behind those of `previous_response_id`."""
    body = exchange.body
    previous, given = body.get("previous_response_id"), body.get("input")
    if given is None and previous is None:
        message = "One of 'input' or 'previous_response_id' must be provided."
        raise bad_request(message, "missing_required_parameter", "input")
    items: Any = [{"role": "user", "content": given}] if isinstance(given, str) else given or []
    if previous is None:
        return items  # type: ignore[no-any-return]
    stored = exchange.state.stored(previous, exchange.key.key)
    if stored is None:
        message = f"Previous response with id '{previous}' not found."
        raise bad_request(message, "previous_response_not_found", "previous_response_id")
    return [*stored.items, *items]


def _schema(body: Body) -> dict[str, Any] | None:
    """Return the schema of a JSON answer; an empty one for any JSON."""
    wanted = (body.get("text") or {}).get("format") or {"type": "text"}
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    checks.one_of("text", "json_schema", "json_object")("text.format.type", kind)
    if kind == "text":
        return None
    if kind == "json_object":
        return {}
    checks.require(wanted, "name", "text.format.")
    schema = checks.require(wanted, "schema", "text.format.")
    return read_format(schema, "text.format.schema")


@dataclass(frozen=True)
class ResponsesQuestion:
    exchange: Exchange
    prompt: Prompt
    items: list[Item]

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(turn.text for turn in self.prompt.turns)

    @property
    def input_tokens(self) -> int:
        return self.prompt.input_tokens

    def answer(self, rule: Rule | None) -> dict[str, Any]:
        reply = reply_to(self.exchange, self.prompt, rule)
        output = self._output(reply)
        answer = self._response(reply, output)
        if answer["store"]:
            stored = StoredResponse(self.exchange.key.key, answer, [*self.items, *output])
            self.exchange.state.store(stored)
        return answer

    def _output(self, reply: Reply) -> list[Item]:
        """Return the output items. A model that reasons puts a reasoning item first."""
        items = [_item(output) for output in reply.outputs]
        if items and reply.status == "incomplete":
            items[-1]["status"] = "incomplete"
        if self.prompt.effort == "none" or reply.status == "failed":
            return items
        reasoning_id = f"rs_{secrets.token_hex(24)}"
        for item in items:
            self.exchange.state.remember_reasoning(item["id"], reasoning_id)
        reasoning = {"id": reasoning_id, "type": "reasoning", "summary": []}
        return [{**reasoning, "encrypted_content": encrypted_reasoning(reasoning_id)}, *items]

    def _response(self, reply: Reply, output: list[Item]) -> dict[str, Any]:
        body, now = self.exchange.body, int(time.time())
        reasons = {"effort": self.prompt.effort, "summary": None}
        return {
            "id": f"resp_{secrets.token_hex(24)}",
            "object": "response",
            "created_at": now,
            "completed_at": now if reply.status == "completed" else None,
            "status": reply.status,
            "background": False,
            "error": reply.error,
            "incomplete_details": {"reason": reply.reason} if reply.reason else None,
            "instructions": body.get("instructions"),
            "max_output_tokens": body.get("max_output_tokens"),
            "max_tool_calls": body.get("max_tool_calls"),
            "model": body["model"],
            "output": output,
            "parallel_tool_calls": self.prompt.parallel,
            "previous_response_id": body.get("previous_response_id"),
            "prompt_cache_key": body.get("prompt_cache_key"),
            "reasoning": {**reasons, **(body.get("reasoning") or {})},
            "safety_identifier": body.get("safety_identifier"),
            "service_tier": "default",
            "store": body.get("store") is not False,
            "temperature": body.get("temperature", 1.0),
            "text": {"format": {"type": "text"}, "verbosity": "medium", **(body.get("text") or {})},
            "tool_choice": body.get("tool_choice") or "auto",
            "tools": body.get("tools") or [],
            "top_p": body.get("top_p", 1.0),
            "truncation": body.get("truncation") or "disabled",
            "usage": self._usage(reply),
            "user": body.get("user"),
            "metadata": body.get("metadata") or {},
            "system_fingerprint": "fp_simulator",
        }

    def _usage(self, reply: Reply) -> dict[str, Any] | None:
        if not reply.usage:
            return None
        asked, reasoning = self.prompt.input_tokens, reasoning_tokens(self.prompt)
        cached = cached_tokens(self.exchange, self.prompt)
        written = reasoning + reply.tokens
        return {
            "input_tokens": asked,
            "input_tokens_details": {
                "cached_tokens": cached,
                "cache_write_tokens": asked - cached if asked >= 1024 else 0,
            },
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": reasoning},
            "total_tokens": asked + written,
        }


def _item(output: Output) -> Item:
    if isinstance(output, Ask):
        return {
            "id": f"fc_{secrets.token_hex(24)}",
            "type": "function_call",
            "status": "completed",
            "call_id": f"call_{secrets.token_hex(12)}",
            "name": output.name,
            "arguments": output.arguments,
        }
    if isinstance(output, Refuse):
        part: Item = {"type": "refusal", "refusal": output.text}
    else:
        part = {"type": "output_text", "text": output.text, "annotations": [], "logprobs": []}
    item: Item = {
        "id": f"msg_{secrets.token_hex(24)}",
        "type": "message",
        "status": "completed",
        "role": "assistant",
        "content": [part],
    }
    phase = None if isinstance(output, Refuse) else output.phase
    return {**item, "phase": phase} if phase else item


def _stored(request: web.Request) -> tuple[Exchange, StoredResponse]:
    exchange = Exchange(request, "responses")
    exchange.authenticate()
    response_id = request.match_info["id"]
    stored = exchange.state.stored(response_id, exchange.key.key)
    if stored is None:
        raise ApiError(404, f"Response with id '{response_id}' not found.")
    return exchange, stored


async def fetch(request: web.Request) -> web.StreamResponse:
    return json_response(_stored(request)[1].body)


async def delete(request: web.Request) -> web.StreamResponse:
    exchange, stored = _stored(request)
    exchange.state.forget(stored.body["id"])
    return json_response({"id": stored.body["id"], "object": "response", "deleted": True})
