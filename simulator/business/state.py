"""The accounts of the business API, in memory, and its log."""

from dataclasses import dataclass, field
from typing import Final

from simulator.business.data import DEMO_KEY, Account, account_from
from simulator.business.faults import Fault
from simulator.eventlog import EventLog

_LOG_SIZE: Final = 5_000


@dataclass
class BusinessState:
    """`accounts` and `faults` are by API key."""

    log: EventLog = field(default_factory=lambda: EventLog(_LOG_SIZE))
    accounts: dict[str, Account] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything but the numbers of the log."""
        self.log.clear()
        self.accounts = {DEMO_KEY: account_from({})}
        self.faults = {}

    def fault_for(self, key: str, method: str, path: str) -> Fault | None:
        """Return the first fault that applies, and count it."""
        return next(
            (f for f in self.faults.get(key, ()) if f.matches(method, path) and f.strikes()), None
        )
