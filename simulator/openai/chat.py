"""Chat Completions: the older API, which other servers speak too."""

import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from simulator.openai import checks
from simulator.openai.asking import cached_tokens, check_context, reasoning_tokens, reply_to
from simulator.openai.catalogue import Model
from simulator.openai.checks import Body, Check
from simulator.openai.errors import ApiError, bad_request
from simulator.openai.messages import read_messages
from simulator.openai.prompt import Ask, Prompt, Refuse, Reply, Say
from simulator.openai.schemas import read_format
from simulator.openai.script import Rule
from simulator.openai.serving import Exchange, serve
from simulator.openai.tools import read_choice, read_tools

_FIELDS: Final[dict[str, Check]] = {
    "model": checks.text(),
    "messages": checks.anything,
    "max_completion_tokens": checks.whole(1),
    "max_tokens": checks.whole(1),
    "temperature": checks.decimal(0, 2),
    "top_p": checks.decimal(0, 1),
    "frequency_penalty": checks.decimal(-2, 2),
    "presence_penalty": checks.decimal(-2, 2),
    "logprobs": checks.boolean,
    "top_logprobs": checks.whole(0, 20),
    "n": checks.whole(1, 128),
    "reasoning_effort": checks.anything,
    "verbosity": checks.one_of("low", "medium", "high"),
    "response_format": checks.anything,
    "tools": checks.anything,
    "tool_choice": checks.anything,
    "parallel_tool_calls": checks.boolean,
    "store": checks.boolean,
    "metadata": checks.metadata,
    "safety_identifier": checks.text(128),
    "prompt_cache_key": checks.text(),
    "prompt_cache_options": checks.anything,
    "prompt_cache_retention": checks.one_of("in_memory", "24h"),
    "service_tier": checks.one_of("auto", "default", "flex", "scale", "priority", "fast"),
    "logit_bias": checks.anything,
    "modalities": checks.anything,
    "moderation": checks.anything,
    "prediction": checks.anything,
    "seed": checks.whole(-(2**63)),
    "stop": checks.anything,
    "stream": checks.boolean,
    "stream_options": checks.anything,
    "user": checks.text(),
}
_JSON_SCHEMA: Final[dict[str, Check]] = {
    "name": checks.text(64),
    "description": checks.text(),
    "schema": checks.anything,
    "strict": checks.boolean,
}


async def create(request: web.Request) -> web.StreamResponse:
    return await serve(request, "chat", prepare)


def prepare(exchange: Exchange) -> "ChatQuestion":
    body = exchange.body
    checks.check_fields(body, _FIELDS)
    model = exchange.model("text")
    if body.get("stream"):
        raise bad_request("The simulator has no 'stream'.", "unsupported_value", "stream")
    if (body.get("n") or 1) != 1:
        raise bad_request("The simulator gives one choice.", "unsupported_value", "n")
    if body.get("max_tokens") is not None and not model.old_max_tokens:
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. "
            "Use 'max_completion_tokens' instead."
        )
        raise bad_request(message, "unsupported_parameter", "max_tokens")
    effort = checks.effort_of(model, body.get("reasoning_effort"), "reasoning_effort")
    checks.check_sampling(body, model, effort)
    tools = read_tools(body, nested=True)
    if tools:
        _check_chat_tools(model, effort)
    prompt = Prompt(
        model=model,
        effort=effort,
        turns=read_messages(body.get("messages")),
        tools=tools,
        choice=read_choice(body, tools, nested=True),
        parallel=body.get("parallel_tool_calls") is not False,
        limit=body.get("max_completion_tokens") or body.get("max_tokens"),
        schema=_schema(body),
        today=exchange.state.today,
    )
    return ChatQuestion(exchange, check_context(exchange, prompt, "messages", cut=False))


def _check_chat_tools(model: Model, effort: str) -> None:
    if effort != "none" and not model.chat_tools:
        message = (
            f"Function tools with reasoning_effort '{effort}' are not supported for {model.name} "
            "in /v1/chat/completions. Use /v1/responses, or set reasoning_effort to 'none'."
        )
        raise bad_request(message, "unsupported_value", "reasoning_effort")


def _schema(body: Body) -> dict[str, Any] | None:
    """Return the schema of a JSON answer; an empty one for any JSON."""
    wanted = body.get("response_format") or {"type": "text"}
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    checks.one_of("text", "json_schema", "json_object")("response_format.type", kind)
    if kind == "text":
        return None
    if kind == "json_object":
        return {}
    described = checks.require(wanted, "json_schema", "response_format.")
    checks.fields(_JSON_SCHEMA)("response_format.json_schema", described)
    checks.require(described, "name", "response_format.json_schema.")
    return read_format(described.get("schema") or {}, "response_format.json_schema.schema")


@dataclass(frozen=True)
class ChatQuestion:
    exchange: Exchange
    prompt: Prompt

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(turn.text for turn in self.prompt.turns)

    @property
    def input_tokens(self) -> int:
        return self.prompt.input_tokens

    def answer(self, rule: Rule | None) -> dict[str, Any]:
        reply = reply_to(self.exchange, self.prompt, rule)
        if reply.status == "failed":
            # Here a failure has no other form than an error.
            raise ApiError(500, (reply.error or {}).get("message", ""), kind="server_error")
        return {
            "id": f"chatcmpl-{secrets.token_hex(16)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": self.exchange.body["model"],
            "choices": [
                {
                    "index": 0,
                    "message": _message(reply),
                    "logprobs": None,
                    "finish_reason": _finish_reason(reply),
                }
            ],
            "usage": self._usage(reply),
            "service_tier": "default",
            "system_fingerprint": "fp_simulator",
        }

    def _usage(self, reply: Reply) -> dict[str, Any] | None:
        if not reply.usage:
            return None
        asked, reasoning = self.prompt.input_tokens, reasoning_tokens(self.prompt)
        written = reasoning + reply.tokens
        return {
            "prompt_tokens": asked,
            "completion_tokens": written,
            "total_tokens": asked + written,
            "prompt_tokens_details": {
                "cached_tokens": cached_tokens(self.exchange, self.prompt),
                "audio_tokens": 0,
            },
            "completion_tokens_details": {
                "reasoning_tokens": reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }


def _message(reply: Reply) -> dict[str, Any]:
    texts = [output.text for output in reply.outputs if isinstance(output, Say)]
    refusals = [output.text for output in reply.outputs if isinstance(output, Refuse)]
    calls = [
        {
            "id": f"call_{secrets.token_hex(12)}",
            "type": "function",
            "function": {"name": output.name, "arguments": output.arguments},
        }
        for output in reply.outputs
        if isinstance(output, Ask)
    ]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "\n".join(texts) if texts else None,
        "refusal": "\n".join(refusals) or None,
        "annotations": [],
    }
    return {**message, "tool_calls": calls} if calls else message


def _finish_reason(reply: Reply) -> str:
    if reply.status == "incomplete":
        return "content_filter" if reply.reason == "content_filter" else "length"
    return "tool_calls" if any(isinstance(o, Ask) for o in reply.outputs) else "stop"
