"""Requests that the tests of the model server share."""

from collections.abc import Callable
from typing import Any

from openai import OpenAI
from openai.types.responses import Response, ResponseFunctionToolCall

from tests.simulator.harness import Simulator

KEY = "sk-test-of-the-simulator"
MODEL = "gpt-6-luna"
QUICK: Any = {"effort": "none"}

Script = Callable[..., None]


def connect(simulator: Simulator, key: str = KEY, **options: Any) -> OpenAI:
    options.setdefault("max_retries", 0)
    return OpenAI(base_url=f"{simulator.base}/openai/v1", api_key=key, **options)


def function(name: str, description: str = "", **properties: Any) -> Any:
    """A strict function whose arguments are all required."""
    return {
        "type": "function",
        "name": name,
        "description": description,
        "strict": True,
        "parameters": {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        },
    }


GET_ORDER = function("get_order", "Looks up an order.", order_number={"type": "string"})
HANDOFF = function("handoff_to_human", "A person takes over.", reason={"type": "string"})


def nested(tool: Any) -> Any:
    """The same function in the form of Chat Completions."""
    return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}


def ask(client: OpenAI, question: Any = "hello", /, **values: Any) -> Response:
    values = {"model": MODEL, "reasoning": QUICK, "input": question, **values}
    response: Response = client.responses.create(**values)
    return response


def calls(response: Response) -> list[ResponseFunctionToolCall]:
    return [item for item in response.output if item.type == "function_call"]
