"""People who write to a bot in bursts, while colleagues take conversations over.

The model is slow and fails at times, and so does the business's server where appointments are
booked. Meanwhile the attacks of the plan kill the workers at each step of a turn.
"""

import random
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.chaos.businesses import Opener, ask, retry
from tests.chaos.outside import Outside
from tests.chaos.plan import Plan

SECONDS_OF_ONE = 25.0
"""About how long one person's story takes."""

PATIENCE_SECONDS = 100.0
"""How long a colleague looks for a conversation to take over."""

LONGEST_PAUSE = 1.0
"""Between two messages of a burst; less than the bot waits."""

TEXTS = (
    "I have a question.",
    "¿Hacen envíos a Cuenca?",
    "It is about the blue one.",
    "¿Y cuánto demora?",
    "Thank you in advance.",
)
WANTS_A_PERSON = "quiero una persona"
FUNCTION = {
    "name": "book_appointment",
    "description": "Books an appointment.",
    "parameters": {
        "type": "object",
        "properties": {
            "date": {"type": "string"},
            "time": {"type": "string"},
            "service": {"type": "string", "enum": ["haircut", "massage"]},
        },
        "required": ["date", "time", "service"],
        "additionalProperties": False,
    },
}
ACTION = {
    "name": "book_appointment",
    "method": "POST",
    "path": "/appointments",
    "body": {
        "phone": "{contact.phone}",
        "service": "{service}",
        "starts_at": "{date}T{time}:00Z",
    },
}
MODEL_RULES: list[dict[str, Any]] = [
    {"do": "fail_500", "rate": 0.02},
    {"do": "cut", "rate": 0.02},
    {"do": "malformed", "rate": 0.02},
    {"do": "rate_limit", "rate": 0.02, "retry_after": 1},
    {"do": "default", "rate": 0.4, "seconds": 2.5},
]
BUSINESS_RULES: list[dict[str, Any]] = [
    {"fault": "cut_after", "rate": 0.1},
    {"fault": "fail_after", "rate": 0.05},
    {"fault": "slow", "rate": 0.1, "seconds": 2},
]


@dataclass(frozen=True)
class Silence:
    """A time in which a person of the business has a conversation: from when the call was answered
    until the release is asked for. Unix times."""

    phone: str
    since: float
    until: float


@dataclass
class Chats:
    """The conversations of one run. `silences` is guarded by `_lock`."""

    plan: Plan
    web_url: str
    simulator_url: str
    silences: list[Silence] = field(default_factory=list)
    bursts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _people: list[Future[None]] = field(default_factory=list)

    def open(self, outside: Outside) -> None:
        """Create the business, its bot, the bot's model and the server of its action."""
        self._opener = opener = Opener(self.web_url, outside)
        tenant = opener.tenant()
        self.tenant_id, self._key = tenant.id, tenant.api_key
        self.sender = opener.sender(tenant, 80).business.sender
        self.business_key, model_key = f"business-{uuid.uuid4().hex}", f"sk-{uuid.uuid4().hex}"
        outside.call("PUT", f"/openai/keys/{model_key}", {})
        outside.call("PUT", "/openai/rules", {"rules": MODEL_RULES, "key": model_key})
        account = f"/business/accounts/{self.business_key}"
        outside.call("PUT", account, {"orders": [], "appointments": []})
        outside.call("PUT", f"{account}/faults", {"rules": BUSINESS_RULES})
        bot = {
            "name": "Chaos",
            "twilio_phone_number": self.sender,
            "assistant_functions": [FUNCTION],
            "horizon_actions": [ACTION],
            "debounce_seconds": 2,
            "model": {"api_key": model_key},
            "actions": {
                "base_url": f"{self.simulator_url}/business",
                "api_key": self.business_key,
            },
        }
        ask(self.web_url, opener.token(tenant.owner), "POST", "/bots", bot)

    def tokens(self) -> Iterator[str]:
        """Return a token of the business."""
        return (self._opener.token(tenant.owner) for tenant in self._opener.tenants)

    def start(self) -> None:
        """Let the people write, spread over the plan's time."""
        self._pool = ThreadPoolExecutor(self._at_once, "chats")
        for _ in range(self.plan.chats):
            self._add()

    def keep_on(self) -> None:
        """Let one more person write if fewer do than usual."""
        if sum(not each.done() for each in self._people) < self._at_once:
            self._add()

    def is_done(self) -> bool:
        """Raises what went wrong in a person's story, which would be a bug of the proof."""
        done = [each for each in self._people if each.done()]
        for each in done:
            each.result()
        return len(done) == len(self._people)

    @property
    def _at_once(self) -> int:
        return max(4, round(self.plan.chats * SECONDS_OF_ONE / max(1.0, self.plan.seconds)))

    def _add(self) -> None:
        self._people.append(self._pool.submit(self._live, len(self._people)))

    def _live(self, number: int) -> None:
        dice = random.Random(f"{self.plan.seed}:chat:{number}")  # noqa: S311
        outside = Outside(self.simulator_url)
        phone = f"+1505{5_000_000 + number}"
        outside.add_phone(phone)
        story = dice.random()
        self._burst(outside, phone, dice, _appointment(number))
        if story < 0.4:
            time.sleep(dice.uniform(0.0, 8.0))
            taken = self._take_over(phone)
            self._burst(outside, phone, dice, "Is anybody there?")
            time.sleep(dice.uniform(2.0, 10.0))
            if taken is not None:
                self._release(phone, taken)
        elif story < 0.5:
            time.sleep(dice.uniform(0.0, 8.0))
            self._burst(outside, phone, dice, WANTS_A_PERSON)
            return
        else:
            time.sleep(dice.uniform(2.0, 12.0))
        self._burst(outside, phone, dice, "One more thing.")

    def _burst(self, outside: Outside, phone: str, dice: random.Random, last: str) -> None:
        with self._lock:
            self.bursts += 1
        for text in (*dice.sample(TEXTS, dice.randrange(4)), last):
            outside.write(phone, self.sender, text)
            time.sleep(dice.uniform(0.0, LONGEST_PAUSE))

    def _take_over(self, phone: str) -> float | None:
        """Take the conversation over, and return when that was answered; None if it was not, or if
        the service does not know the conversation yet: every webhook may have been lost."""
        try:
            retry(lambda: self._own(phone, "take-over"), PATIENCE_SECONDS)
        except (requests.RequestException, RuntimeError):
            return None
        return time.time()

    def _release(self, phone: str, taken: float) -> None:
        with self._lock:
            self.silences.append(Silence(phone, taken, time.time()))
        retry(lambda: self._own(phone, "release"))

    def _own(self, phone: str, what: str) -> None:
        """Raises RuntimeError while the person's first message has not been stored."""
        path = "/api/whatsapp/conversations"
        found = ask(self.web_url, self._key, "GET", f"{path}?phone=%2B{phone[1:]}")["items"]
        if not found:
            raise RuntimeError(f"no conversation of {phone} yet")
        ask(self.web_url, self._key, "POST", f"{path}/{found[0]['id']}/{what}", {"reason": "chaos"})


def bookings(outside: Outside, key: str) -> Iterator[tuple[str, str]]:
    """Return (phone, time) of each appointment that the business has."""
    for each in outside.call("GET", f"/business/accounts/{key}")["appointments"]:
        yield each["phone"], each["starts_at"]


def _appointment(number: int) -> str:
    day, hour = 1 + number % 28, 8 + number % 10
    return f"I want to book an appointment on 2027-01-{day:02} at {hour:02}:00 for a haircut"
