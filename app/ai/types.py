"""What we ask a model, and what it answers, in words that both of OpenAI's APIs share."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from app.ai.catalogue import NONE, Usage


class Dialect(StrEnum):
    """Which API a server speaks. AUTO tries Responses first, and remembers a server without it."""

    AUTO = "auto"
    RESPONSES = "responses"
    CHAT = "chat"


@dataclass(frozen=True)
class Endpoint:
    """A server and the key for it. `is_trusted`: the operator's own address, which may be private;
    a tenant's may not. `is_openai`: it takes all parameters of OpenAI."""

    base_url: str
    api_key: str = field(repr=False)
    is_trusted: bool = False
    is_openai: bool = False
    dialect: Dialect = Dialect.AUTO


def is_openai_host(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host == "openai.com" or host.endswith((".openai.com", ".openai.azure.com"))


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"
    DEVELOPER = "developer"


@dataclass(frozen=True)
class Said:
    """A text in the conversation. Only texts of ours have the role DEVELOPER."""

    role: Role
    text: str


@dataclass(frozen=True)
class ToolCall:
    """`arguments` is the model's text: JSON as a rule, but it may be cut off or invalid. In a
    question, a call of an earlier turn, which its `ToolResult` follows."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Replied:
    """An earlier answer of the same turn, which the model gets back as it was."""

    items: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class ToolResult:
    call_id: str
    text: str


Item = Said | Replied | ToolCall | ToolResult


@dataclass(frozen=True)
class Tool:
    """A function that the model may call. `parameters` is a JSON schema of an object. `is_strict`:
    the model must keep to it; every property is then required, and no others are allowed."""

    name: str
    description: str
    parameters: dict[str, Any]
    is_strict: bool = False


@dataclass(frozen=True)
class Question:
    """One call of a model.

    `max_tokens` limits the visible answer; with a reasoning effort, room for the reasoning is
    added. `cache_key` groups calls with the same beginning; `person` is a hash of the end user.
    """

    model: str
    instructions: str
    items: tuple[Item, ...]
    tools: tuple[Tool, ...] = ()
    may_call_tools: bool = True
    max_tokens: int = 500
    temperature: float | None = None
    effort: str = NONE
    cache_key: str = ""
    person: str = ""


class Outcome(StrEnum):
    """CUT: the answer ended at the limit of tokens. FILTERED: withheld by the provider's filter.
    FAILED: the model broke off, although the request was answered with 200."""

    COMPLETE = "complete"
    CUT = "cut"
    FILTERED = "filtered"
    FAILED = "failed"


@dataclass(frozen=True)
class Reply:
    """A model's answer. `usage` is None where the server did not say. `items` go back to the model
    in the next call of the same turn."""

    text: str
    refusal: str | None
    tool_calls: tuple[ToolCall, ...]
    outcome: Outcome
    usage: Usage | None
    items: tuple[dict[str, Any], ...]
    response_id: str = ""
    request_id: str = ""
    error: str = ""
