"""What the model is asked, and what it answers, in words that both endpoints share."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

from simulator.openai.catalogue import Model
from simulator.openai.tokens import IMAGE_TOKENS, count

STANDING_ROLES: Final = frozenset({"system", "developer"})


@dataclass(frozen=True)
class Tool:
    name: str
    description: str
    parameters: dict[str, Any]

    @property
    def text(self) -> str:
        return f"{self.name}\n{self.description}\n{self.parameters}\n"


@dataclass(frozen=True)
class Turn:
    """`kind` is message, call (of a function) or result (of one). `text` is the message, the
    arguments, or the output."""

    kind: str
    text: str
    role: str = "user"
    name: str = ""
    call_id: str = ""
    phase: str | None = None
    images: int = 0

    @property
    def tokens(self) -> int:
        return count(self.name + self.text) + self.images * IMAGE_TOKENS


@dataclass(frozen=True)
class Choice:
    """`mode` is none, auto or required; `names` restricts the functions, None means all."""

    mode: str = "auto"
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Prompt:
    """`limit` is the greatest output in tokens, `schema` that of a JSON answer."""

    model: Model
    effort: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...]
    choice: Choice
    parallel: bool
    limit: int | None
    schema: dict[str, Any] | None
    today: date

    @property
    def text(self) -> str:
        """Return everything in the order in which the vendor caches it."""
        tools = "".join(tool.text for tool in self.tools)
        return tools + "".join(f"{turn.role}\n{turn.name}{turn.text}\n" for turn in self.turns)

    @property
    def input_tokens(self) -> int:
        return count("".join(tool.text for tool in self.tools)) + sum(
            turn.tokens for turn in self.turns
        )

    @property
    def usable_tools(self) -> tuple[Tool, ...]:
        """Return the functions that the model may call."""
        if self.choice.mode == "none":
            return ()
        names = self.choice.names
        return tuple(tool for tool in self.tools if names is None or tool.name in names)


@dataclass(frozen=True)
class Say:
    text: str
    phase: str | None = None

    @property
    def tokens(self) -> int:
        return count(self.text)

    def cut(self, tokens: int) -> "Say":
        return replace(self, text=self.text[: tokens * 4])


@dataclass(frozen=True)
class Refuse:
    text: str

    @property
    def tokens(self) -> int:
        return count(self.text)

    def cut(self, tokens: int) -> "Refuse":
        return replace(self, text=self.text[: tokens * 4])


@dataclass(frozen=True)
class Ask:
    """Call a function; `arguments` is JSON text, and invalid on demand."""

    name: str
    arguments: str

    @property
    def tokens(self) -> int:
        return count(self.name + self.arguments)

    def cut(self, tokens: int) -> "Ask":
        return replace(self, arguments=self.arguments[: max(tokens * 4 - len(self.name), 0)])


Output = Say | Refuse | Ask


@dataclass(frozen=True)
class Reply:
    """`status` is completed, incomplete (with a `reason`) or failed (with an `error`)."""

    outputs: tuple[Output, ...]
    status: str = "completed"
    reason: str | None = None
    error: dict[str, str] | None = None
    usage: bool = True

    @property
    def tokens(self) -> int:
        return sum(output.tokens for output in self.outputs)


def fit(reply: Reply, reasoning: int, limit: int | None) -> Reply:
    """Return the reply, cut off if it and the reasoning need more tokens than the limit."""
    if limit is None or reasoning + reply.tokens <= limit:
        return reply
    left = max(limit - reasoning, 0)
    kept: list[Output] = []
    for output in reply.outputs:
        if left == 0:
            break
        kept.append(output if output.tokens <= left else output.cut(left))
        left = max(left - output.tokens, 0)
    return replace(reply, outputs=tuple(kept), status="incomplete", reason="max_output_tokens")
