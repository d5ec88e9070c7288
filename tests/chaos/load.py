"""Businesses that send and people who write, while everything breaks."""

import queue
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

import requests

from tests.chaos.outside import Outside
from tests.chaos.plan import Plan

SENDERS = 12
"""Threads that post: enough that some wait for a frozen web process while others continue."""

ANSWER_SECONDS = 8.0
PAUSE_SECONDS = 0.3
EQUAL_TEXTS = ("Your order is ready.", "Tu pedido está listo.", "¿Confirmas tu cita?")
GREETING = "hola"
AGAIN = frozenset({"429", "500", "502", "503", "504"})
"""Answers that are not definite."""


@dataclass(frozen=True)
class Business:
    """A channel of a tenant, and the key with which its system posts."""

    tenant: str
    api_key: str
    sender: str


@dataclass(frozen=True)
class Letter:
    """One message to post, with its Idempotency-Key for all attempts."""

    key: str
    business: Business
    to: str
    body: str
    policy: str

    @property
    def json(self) -> dict[str, str]:
        return {
            "to_number": self.to,
            "body": self.body,
            "policy": self.policy,
            "from_number": self.business.sender,
        }


@dataclass(frozen=True)
class Outcome:
    """The result of one post: a status, or the name of an error. Times are Unix times."""

    what: str
    sent: float
    ended: float


@dataclass
class Answers:
    """The load's own record. Guarded by `lock`."""

    ids: dict[str, str] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    repeated: Counter[str] = field(default_factory=Counter)
    written: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def codes(self) -> Counter[str]:
        return Counter(each.what for each in self.outcomes)


def letters(plan: Plan, businesses: list[Business]) -> list[Letter]:
    """Return what is sent, by the seed: every third text equals others, every fifth may be sent
    only once."""
    dice = random.Random(f"{plan.seed}:letters")  # noqa: S311
    found = []
    for number in range(plan.messages):
        phone = dice.randrange(plan.phones)
        equal = dice.random() < 1 / 3
        found.append(
            Letter(
                key=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
                business=businesses[phone % len(businesses)],
                to=f"+1202{5_000_000 + phone}",
                body=dice.choice(EQUAL_TEXTS) if equal else f"Message {number} of the proof.",
                policy="at_most_once" if dice.random() < 0.2 else "default",
            )
        )
    return found


def spread(posts: list[Letter], others: list[Letter]) -> list[Letter]:
    """Merge both: the others are spread over the first third, each in its order."""
    found, left = list(posts), list(others)
    share = max(1, len(posts) // 3) / max(1, len(left))
    for number in range(len(left) - 1, -1, -1):
        found.insert(int(number * share), left[number])
    return found


class Load:
    """Posts all letters and lets people write, evenly over the plan's time.

    `ended` is when the last person wrote, by the monotonic clock.
    """

    def __init__(self, plan: Plan, web_url: str, outside: Outside, posts: list[Letter]) -> None:
        self.answers = Answers()
        self.ended = 0.0
        self._plan = plan
        self._web_url = web_url
        self._outside = outside
        self._posts = posts
        self._queue: queue.SimpleQueue[Letter | None] = queue.SimpleQueue()
        work = [self._feed, self._write_all, *[self._post_all] * SENDERS]
        self.threads = [threading.Thread(target=each, daemon=True) for each in work]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def is_done(self) -> bool:
        return not any(each.is_alive() for each in self.threads)

    def _feed(self) -> None:
        started = time.monotonic()
        pause = self._plan.seconds / max(1, len(self._posts))
        for number, letter in enumerate(self._posts):
            time.sleep(max(0.0, started + number * pause - time.monotonic()))
            self._queue.put(letter)
        for _ in range(SENDERS):
            self._queue.put(None)

    def _post_all(self) -> None:
        http = requests.Session()
        while (letter := self._queue.get()) is not None:
            while not self._post(http, letter):
                time.sleep(PAUSE_SECONDS)

    def _post(self, http: requests.Session, letter: Letter) -> bool:
        """Post once; return True when the answer is definite. Anything else is tried again."""
        sent, answer = time.time(), None
        try:
            answer = self._send(http, letter)
            what = str(answer.status_code)
        except requests.RequestException as error:
            what = type(error).__name__
        with self.answers.lock:
            self.answers.outcomes.append(Outcome(what, sent, time.time()))
            if answer is None or what in AGAIN:
                return False
            self._take(letter, answer)
        return True

    def repeat(self, posts: list[Letter]) -> None:
        """Post these once more after the chaos: each must get its first answer again."""
        http = requests.Session()
        for letter in posts:
            answer = self._send(http, letter)
            first = self.answers.ids.get(letter.key)
            same = answer.status_code == 202 and answer.json()["message_id"] == first
            self.answers.repeated["same" if same else "other"] += 1

    def _send(self, http: requests.Session, letter: Letter) -> requests.Response:
        headers = {
            "Authorization": f"Bearer {letter.business.api_key}",
            "Idempotency-Key": letter.key,
        }
        url = f"{self._web_url}/api/send"
        return http.post(url, json=letter.json, headers=headers, timeout=ANSWER_SECONDS)

    def _take(self, letter: Letter, answer: requests.Response) -> None:
        if answer.status_code != 202:
            self.answers.refused.append(f"{answer.status_code} {answer.text[:200]}")
            return
        message_id: str = answer.json()["message_id"]
        if self.answers.ids.setdefault(letter.key, message_id) != message_id:
            self.answers.changed.append(letter.key)
        self.answers.letters[message_id] = letter

    def _write_all(self) -> None:
        """Each person writes twice; most begin with a greeting, which gets one keyword reply.

        Two replies in one conversation of a provider that always fails would wait for each other
        for minutes.
        """
        businesses = sorted({each.business for each in self._posts}, key=lambda each: each.sender)
        dice = random.Random(f"{self._plan.seed}:people")  # noqa: S311
        pause = self._plan.seconds / self._plan.writings
        for number in range(self._plan.writings):
            phone = f"+1303{5_000_000 + number // 2}"
            if number % 2 == 0:
                self._outside.add_phone(phone)
            business = businesses[(number // 2) % len(businesses)]
            greets = number % 2 == 0 and dice.random() < 0.9
            text = f"{GREETING} {number}" if greets else f"Thanks, number {number}."
            self._outside.write(phone, business.sender, text)
            self.answers.written += 1
            self.ended = time.monotonic()
            time.sleep(pause)
