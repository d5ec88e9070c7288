"""Messages with an unknown outcome, and a clock that can be advanced for them."""

from typing import Any
from uuid import UUID

from app.extensions import redis_handle
from app.models import Status
from tests.world import World


def disturb(world: World, **kinds: Any) -> None:
    """Set faults of this business's account alone: `create="fail_500"`, or a whole rule."""
    plan: dict[str, list[dict[str, Any]]] = {"callback": [{"fault": "lost"}]}
    for kind, given in kinds.items():
        plan[kind] = [{"fault": given} if isinstance(given, str) else given]
    for rules in plan.values():
        for rule in rules:
            rule["account"] = world.channel.account
    world.simulator.control("PUT", "/faults", plan)


def calls(world: World, kind: str) -> list[dict[str, Any]]:
    return [e for e in world.simulator.log(kind) if e["account"] == world.channel.account]


def let_pass(world: World, seconds: float) -> None:
    """Move everything that happened, and every due time, so far into the past."""
    for table, columns in {
        "messages": ("retry_at", "lease_until"),
        "attempts": ("created_at", "finished_at"),
    }.items():
        changes = (f"{name} = {name} - make_interval(secs => :seconds)" for name in columns)
        world.sql(f"update recado.{table} set {', '.join(changes)}", seconds=seconds)


def left_uncertain(world: World, **body: Any) -> UUID:
    """Return a message for which the provider's answer got lost."""
    message_id = world.send(**body)
    world.deliver()
    assert world.message(message_id).status == Status.UNCERTAIN
    return message_id


def advance_lists(world: World, seconds: float) -> None:
    client = redis_handle.client
    for key in (f"list-closed:{world.channel.id}", f"list-failures:{world.channel.id}"):
        left = client.pttl(key)
        if isinstance(left, int) and left > 0:
            client.pexpire(key, max(1, left - round(1000 * seconds)))
