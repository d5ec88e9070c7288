"""People who write to a bot whose budget allows only a part of the answers.

They write in waves, all at the same moment, so that many calls of the model are reserved at once.
The model is slow, so that workers die during its calls. The bot has no other trouble: what it costs
is known but for those calls.
"""

import random
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg2

from tests.chaos.books import Ledger, read_counters, spent_and_reserved, turns_with_holds
from tests.chaos.businesses import Opener, ask
from tests.chaos.outside import Outside
from tests.chaos.plan import Plan

WAVE = 8
"""People who write at the same moment."""

WAVES_OF_ONE = 3
"""How often each person writes, about."""

LONGEST_ANSWER = 60
TOKENS_OF_ONE = 300
"""About what an answer of this bot costs. Twice as much is reserved for it."""

SHARE = 0.75
"""The part of the questions that the budget would allow to answer if no worker died."""

LOOK_SECONDS = 0.5
"""Shorter than the model takes, so that no call is missed."""

MODEL_RULES: list[dict[str, Any]] = [
    {"do": "fail_500", "rate": 0.03},
    {"do": "default", "seconds": 2.0},
]
TEXTS = ("¿Hacen envíos a Cuenca?", "Is it open today?", "¿Tienen el azul?", "What does it cost?")


@dataclass
class Limited:
    """The conversations of one run. `highest`: the most tokens that were spent and reserved at the
    same moment."""

    plan: Plan
    web_url: str
    simulator_url: str
    database_url: str
    highest: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)
    _writing: Future[None] = field(default_factory=Future)

    @property
    def limit(self) -> int:
        """Return the tokens that the bot may use in a month."""
        return round(self.plan.waves * WAVE * TOKENS_OF_ONE * SHARE)

    def open(self, outside: Outside) -> None:
        """Create the business, its bot, the bot's budget, and the bot's model."""
        self._opener = opener = Opener(self.web_url, outside)
        tenant = opener.tenant()
        self.tenant_id = tenant.id
        self.sender = opener.sender(tenant, 80).business.sender
        self.model_key = f"sk-{uuid.uuid4().hex}"
        outside.call("PUT", f"/openai/keys/{self.model_key}", {})
        outside.call("PUT", "/openai/rules", {"rules": MODEL_RULES, "key": self.model_key})
        bot = {
            "name": "Limited",
            "twilio_phone_number": self.sender,
            "debounce_seconds": 1,
            "max_tokens": LONGEST_ANSWER,
            "model": {"api_key": self.model_key},
            "budget": {"tokens_per_month": self.limit},
        }
        ask(self.web_url, opener.token(tenant.owner), "POST", "/bots", bot)

    def tokens(self) -> Iterator[str]:
        """Return a token of the business."""
        return (self._opener.token(tenant.owner) for tenant in self._opener.tenants)

    def start(self) -> None:
        """Let the people write, spread over the plan's time, and look at the counters."""
        pool = ThreadPoolExecutor(1, "limited")
        self._writing = pool.submit(self._write)
        pool.shutdown(wait=False)
        threading.Thread(target=self._look, daemon=True).start()

    def is_done(self) -> bool:
        """Raises what went wrong in the writing, which would be a bug of the proof."""
        if self._writing.done():
            self._writing.result()
        return self._writing.done()

    def ledger(self, outside: Outside) -> Ledger:
        """Stop looking at the counters, and return the records of what the bot has cost."""
        self._ended.set()
        bill = outside.call("GET", f"/openai/keys/{self.model_key}/bill")
        return Ledger(
            limit=self.limit,
            billed=bill["input_tokens"] + bill["output_tokens"],
            counters=read_counters(self.database_url, self.tenant_id),
            highest=self.highest,
            holds=turns_with_holds(self.database_url, self.tenant_id),
        )

    def _write(self) -> None:
        dice = random.Random(f"{self.plan.seed}:limited")  # noqa: S311
        outside = Outside(self.simulator_url)
        groups = max(1, self.plan.waves // WAVES_OF_ONE)
        begun = time.monotonic()
        for wave in range(self.plan.waves):
            for number in range(WAVE):
                phone = f"+1506{5_000_000 + wave % groups * WAVE + number}"
                if wave < groups:
                    outside.add_phone(phone)
                outside.write(phone, self.sender, f"{dice.choice(TEXTS)} {wave}")
            due = begun + (wave + 1) * self.plan.seconds / self.plan.waves
            time.sleep(max(0.0, due - time.monotonic()))

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            with suppress(psycopg2.Error):  # Postgres crashes now and then
                now = spent_and_reserved(self.database_url, self.tenant_id)
                self.highest = max(self.highest, now)
