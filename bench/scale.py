"""Durations and counts: of the full run, and of a short one that only shows that everything
works."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Seconds of load, and counts of messages."""

    accept_seconds: float = 15.0
    webhook_seconds: float = 60.0
    webhook_rates: tuple[int, ...] = (50, 320, 500)
    one_channel: int = 1_200
    each_of_eight: int = 1_000
    backlog: int = 50_000
    replies: int = 120
    slow_seconds: float = 30.0
    provider_seconds: int = 20
    memory_messages: int = 5_000
    growth_from: int = 100_000
    growth_messages: int = 1_000_000
    limit_seconds: float = 5.0
    cost_seconds: float = 30.0
    life_seconds: float = 60.0
    life_rates: tuple[int, ...] = (20, 40, 60, 80, 100, 120, 140, 160, 180, 200)
    crowd: int = 80
    crowd_messages: int = 40
    singles: int = 20
    turn_seconds: float = 40.0
    turns_at_once: int = 200


FULL = Scale()
SHORT = Scale(
    accept_seconds=2.0,
    webhook_seconds=2.0,
    webhook_rates=(50, 320),
    one_channel=160,
    each_of_eight=80,
    backlog=2_000,
    replies=10,
    slow_seconds=3.0,
    provider_seconds=5,
    memory_messages=400,
    growth_from=20_000,
    growth_messages=100_000,
    limit_seconds=1.0,
    cost_seconds=3.0,
    life_seconds=4.0,
    life_rates=(20,),
    crowd=10,
    crowd_messages=10,
    singles=4,
    turn_seconds=4.0,
    turns_at_once=20,
)
