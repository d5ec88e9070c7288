"""What the handlers share: one object per running simulator."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiohttp import ClientSession, web

from simulator.business.state import BusinessState
from simulator.eventlog import EventLog
from simulator.faults import Faults
from simulator.openai.state import OpenAIState
from simulator.settings import Settings
from simulator.store import Store
from simulator.world import World

if TYPE_CHECKING:
    from simulator.twilio.delivery import Delivery
    from simulator.twilio.webhooks import Webhooks


@dataclass
class Runtime:
    settings: Settings
    store: Store
    world: World
    log: EventLog
    faults: Faults
    openai: OpenAIState
    business: BusinessState = field(default_factory=BusinessState)
    in_flight: Counter[str] = field(default_factory=Counter)
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    session: ClientSession = field(init=False)
    webhooks: Webhooks = field(init=False)
    delivery: Delivery = field(init=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> Runtime:
        """Raises ValueError (FaultPlanError included) if accounts or faults are not valid."""
        store = Store(settings.state)
        world = World(settings, store)
        faults = Faults(settings.seed, settings.latency_ms)
        faults.load(settings.faults)
        openai = OpenAIState(settings.seed)
        return cls(settings, store, world, EventLog(settings.log_size), faults, openai)

    def scaled(self, seconds: float) -> float:
        return seconds * self.settings.time_scale

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run in the background; the reference keeps the task from being collected."""
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


RUNTIME: Final = web.AppKey("runtime", Runtime)
