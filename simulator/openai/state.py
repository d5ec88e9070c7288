"""What the server remembers: keys, the script, the log, stored responses. All of it in memory."""

import base64
from collections import OrderedDict, defaultdict
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from simulator.demo import DEMO_MODEL_KEY
from simulator.eventlog import EventLog, fingerprint
from simulator.openai.script import BRAINS, Script
from simulator.openai.tokens import PrefixCache

_LOG_SIZE: Final = 5_000
_MOST_RESPONSES: Final = 1_000


@dataclass(slots=True)
class Key:
    """`quota` False: 429 insufficient_quota. `models` restricts the models, `context_tokens` makes
    their context smaller; None means as the vendor has it."""

    key: str
    quota: bool = True
    brain: str = "default"
    models: list[str] | None = None
    context_tokens: int | None = None

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key)

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "fingerprint": self.fingerprint}


def read_key(name: str, data: dict[str, Any]) -> Key:
    """Raises ValueError for fields that a key does not have, or wrong values."""
    unknown = set(data) - {"key", "fingerprint", "quota", "brain", "models", "context_tokens"}
    if unknown:
        raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
    key = Key(name, **{n: v for n, v in data.items() if n not in ("key", "fingerprint")})
    if key.brain not in BRAINS:
        raise ValueError(f"brain must be one of {', '.join(sorted(BRAINS))}")
    if key.models is not None and not isinstance(key.models, list):
        raise ValueError("models must be a list")
    return key


@dataclass(slots=True)
class Bill:
    """What a key has to pay for: the answers of text models, also those that nobody received."""

    answers: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@dataclass(slots=True)
class StoredResponse:
    """`items` is the whole input with what the response added to it."""

    owner: str
    body: dict[str, Any]
    items: list[dict[str, Any]]


@dataclass
class OpenAIState:
    seed: int
    script: Script = field(init=False)
    log: EventLog = field(default_factory=lambda: EventLog(_LOG_SIZE))

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything but the numbers of the log."""
        self.script = Script(self.seed)
        self.log.clear()
        self.keys = {DEMO_MODEL_KEY: Key(DEMO_MODEL_KEY)}
        self.today_set: date | None = None
        self.bills: defaultdict[str, Bill] = defaultdict(Bill)
        self.prefixes = PrefixCache()
        self._responses: OrderedDict[str, StoredResponse] = OrderedDict()
        self._reasoning_of: OrderedDict[str, str] = OrderedDict()

    @property
    def today(self) -> date:
        return self.today_set or datetime.now(UTC).date()

    def charge(self, key: Key, input_tokens: int, output_tokens: int) -> None:
        bill = self.bills[key.key]
        bill.answers += 1
        bill.input_tokens += input_tokens
        bill.output_tokens += output_tokens

    def store(self, response: StoredResponse) -> None:
        self._responses[response.body["id"]] = response
        while len(self._responses) > _MOST_RESPONSES:
            self._responses.popitem(last=False)

    def stored(self, response_id: Any, owner: str) -> StoredResponse | None:
        found = self._responses.get(str(response_id))
        return found if found is not None and found.owner == owner else None

    def forget(self, response_id: str) -> None:
        del self._responses[response_id]

    def remember_reasoning(self, item_id: str, reasoning_id: str) -> None:
        """Note that an output item needs its reasoning item when it is sent back."""
        self._reasoning_of[item_id] = reasoning_id
        while len(self._reasoning_of) > 10 * _MOST_RESPONSES:
            self._reasoning_of.popitem(last=False)

    def reasoning_of(self, item_id: Any) -> str | None:
        return self._reasoning_of.get(str(item_id))


def encrypted_reasoning(reasoning_id: str) -> str:
    """Return what stands for the vendor's encrypted reasoning; only this text is taken back."""
    return "simulator:" + base64.b64encode(reasoning_id.encode()).decode()
