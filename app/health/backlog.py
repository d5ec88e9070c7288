"""The work that waits in the whole installation, for `/metrics` and the state pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app import db
from app.health import backlog_repository as repository

OPEN = ("queued", "sending", "uncertain")
"""The statuses of messages whose outcome is open."""


@dataclass(frozen=True)
class Backlog:
    """Counts, and ages in seconds.

    `due`: messages that a worker could send now. `open`: messages whose outcome is open, by status,
    including those due later. `repair_lag`: how overdue the oldest reading of a provider's list is;
    `repair_failing`: channels whose list cannot be read completely.
    """

    due: int = 0
    oldest_due: float = 0.0
    open: Mapping[str, int] = field(default_factory=dict)
    inbox_waiting: int = 0
    inbox_parked: int = 0
    inbox_oldest_due: float = 0.0
    repair_lag: float = 0.0
    repair_failing: int = 0
    channels_paused: int = 0


def read() -> Backlog:
    """Raises SQLAlchemyError while the database is away."""
    with db.system_session() as session:
        messages = repository.messages(session)
        inbox = repository.inbox(session)
        channels = repository.channels(session)
    queued = messages.get("queued")
    return Backlog(
        due=queued.due if queued else 0,
        oldest_due=max(0.0, float(queued.age)) if queued else 0.0,
        open={status: messages[status].all_of_them for status in OPEN if status in messages},
        inbox_waiting=inbox.waiting,
        inbox_parked=inbox.parked,
        inbox_oldest_due=max(0.0, float(inbox.age)),
        repair_lag=float(channels.lag),
        repair_failing=channels.failing,
        channels_paused=channels.paused,
    )
