"""What one run does: its load, its attacks, and the time constants that all forms use."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from app.common.faultpoint import FAULT_POINTS

UNUSED = frozenset({"document_claimed", "chunks_claimed"})
"""Fault points that no run passes, because nobody uploads a document in it."""

USED = tuple(name for name in FAULT_POINTS if name not in UNUSED)


class Attack(StrEnum):
    KILL = "kill"
    FREEZE = "freeze"
    CRASH = "crash"
    FLUSH = "flush"
    AWAY = "away"
    RESTART = "restart"


@dataclass(frozen=True)
class Plan:
    """The counts of a run; anything not named does not happen.

    `chats`: people who write to a bot. `waves`: how often a few people write at the same moment
    to a bot whose budget is too small for all of them. `every` seconds pass between two
    attacks. `settings` are the service's own time constants, `longest_freeze` and `list_lag`
    (seconds) what they can tolerate: see CLAIM_LEASE_SECONDS and SETTLE_AFTER_SECONDS in
    docs/configuration.md. `restarts` ask one process after the other to end, as a deploy does.
    The processes carry the `fault_points`; `provider_faults` says whether the provider
    misbehaves. `troubles`: additional businesses whose provider, channel or account does not
    work as it should.
    """

    messages: int
    chats: int
    waves: int
    every: float
    settle_seconds: float
    settings: Mapping[str, str]
    seed: int = 0
    kills: int = 0
    freezes: int = 0
    crashes: int = 0
    flushes: int = 0
    aways: int = 0
    restarts: int = 0
    longest_freeze: float = 0.0
    list_lag: float = 0.0
    fault_points: tuple[str, ...] = ()
    provider_faults: bool = False
    troubles: bool = False

    @property
    def attacks(self) -> list[Attack]:
        """Return all attacks in the order of the seed."""
        found = (
            [Attack.KILL] * self.kills
            + [Attack.FREEZE] * self.freezes
            + [Attack.CRASH] * self.crashes
            + [Attack.FLUSH] * self.flushes
            + [Attack.AWAY] * self.aways
            + [Attack.RESTART] * self.restarts
        )
        random.Random(f"{self.seed}:attacks").shuffle(found)  # noqa: S311
        return found

    @property
    def seconds(self) -> float:
        """Return how long load and attacks last, without the settling afterwards."""
        return len(self.attacks) * self.every

    @property
    def is_calm(self) -> bool:
        """Return whether everything that the service needs is always there: nothing excuses a 5xx
        answer."""
        return not self.fault_points and set(self.attacks) <= {Attack.RESTART}

    @property
    def phones(self) -> int:
        """Return fewer people than messages, so that conversations have several, some with equal
        texts."""
        return max(1, self.messages * 2 // 5)

    @property
    def writings(self) -> int:
        """Return how many messages people write to the businesses."""
        return max(1, self.messages // 5)


PRODUCTION = {
    "PROVIDER_TIMEOUT_SECONDS": "15",
    "CLAIM_LEASE_SECONDS": "45",
    "SETTLE_AFTER_SECONDS": "20",
    "SETTLE_AGAIN_SECONDS": "15",
    "UNCERTAIN_MAX_SECONDS": "900",
    "TURN_SECONDS": "45",
}
QUICK = {
    "PROVIDER_TIMEOUT_SECONDS": "4",
    "CLAIM_LEASE_SECONDS": "12",
    "SETTLE_AFTER_SECONDS": "6",
    "SETTLE_AGAIN_SECONDS": "4",
    "UNCERTAIN_MAX_SECONDS": "90",
    "TURN_SECONDS": "10",
}
"""The same proportions as in production, about a quarter as long, so that CI can wait for them."""

SHORT = Plan(
    messages=500,
    chats=60,
    waves=16,
    kills=24,
    freezes=5,
    crashes=2,
    flushes=2,
    aways=2,
    every=4.0,
    settle_seconds=240,
    settings=QUICK,
    longest_freeze=9.0,
    list_lag=3.0,
    fault_points=USED,
    provider_faults=True,
    troubles=True,
)
FULL = replace(
    SHORT,
    messages=10_000,
    chats=5_000,
    waves=150,
    kills=300,
    freezes=50,
    crashes=10,
    flushes=10,
    aways=10,
    every=5.0,
    settle_seconds=900,
    settings={**PRODUCTION, "UNCERTAIN_MAX_SECONDS": "300"},
    longest_freeze=50.0,
    list_lag=5.0,
)
DEPLOY = Plan(
    messages=1_000,
    chats=100,
    waves=26,
    restarts=15,
    every=20.0,
    settle_seconds=200,
    settings=PRODUCTION,
)
"""As many restarts as `tests.chaos.fleet` has processes of ours."""

FORMS = {"short": SHORT, "full": FULL, "deploy": DEPLOY}


Rules = Mapping[str, list[dict[str, object]]]


def faults(plan: Plan, first: Rules | None = None) -> dict[str, object]:
    """Return the provider's latency and faults, at a rate with the seed, for PUT /control/faults.

    The rules of `first` come before others of their kind.
    """
    pace: dict[str, object] = {
        "seed": plan.seed,
        "latency_ms": 60,
        "jitter_ms": 120,
        "list_lag": plan.list_lag,
    }
    rules = dict(first or {})
    for kind, others in (_misbehaviour(plan) if plan.provider_faults else {}).items():
        rules[kind] = [*rules.get(kind, []), *others]
    return pace | rules


def _misbehaviour(plan: Plan) -> dict[str, list[dict[str, object]]]:
    hang = float(plan.settings["PROVIDER_TIMEOUT_SECONDS"]) + 2
    return {
        "create": [
            {"fault": "accept_then_hang", "rate": 0.01, "seconds": hang},
            {"fault": "accept_then_500", "rate": 0.02},
            {"fault": "accept_then_reset", "rate": 0.02},
            {"fault": "fail_500", "rate": 0.02},
            {"fault": "reset_before", "rate": 0.02},
            {"fault": "throttle", "rate": 0.005},
            {"fault": "slow", "rate": 0.02, "seconds": 2},
        ],
        "callback": [
            {"fault": "early", "rate": 0.05},
            {"fault": "lost", "rate": 0.08},
            {"fault": "doubled", "rate": 0.05},
            {"fault": "reordered", "rate": 0.05},
            {"fault": "late", "rate": 0.05, "seconds": 6},
        ],
    }
