"""Queues, named by what waits in them. Each has workers of its own.

A slow kind of work never stands before a fast one: a list of the provider that takes 15 seconds,
or a campaign, delays neither a reply nor the scheduler.
"""

from enum import StrEnum

from app.tasks import names


class Queue(StrEnum):
    SCHEDULER = "scheduler"
    """Ticks: short looks at the database that ring for due work."""
    REPLIES = "replies"
    """Sending replies to people who wrote within a day."""
    DELIVERY = "delivery"
    """Sending everything else."""
    INBOX = "inbox"
    """Applying what providers told us."""
    SETTLING = "settling"
    """Asking providers what became of uncertain messages."""
    HOUSEKEEPING = "housekeeping"
    """Repair, clean-up and the search's blocks: nobody waits for them."""


QUEUE_OF: dict[str, Queue] = {
    names.RING_DUE: Queue.SCHEDULER,
    names.CLEAN_UP: Queue.SCHEDULER,
    names.REPAIR_SOON: Queue.HOUSEKEEPING,
    names.LOOK_BACK: Queue.HOUSEKEEPING,
    names.DELIVER_REPLIES: Queue.REPLIES,
    names.DELIVER_CHANNEL: Queue.DELIVERY,
    names.APPLY_INBOX: Queue.INBOX,
    names.HELP_INBOX: Queue.INBOX,
    names.SETTLE_CHANNEL: Queue.SETTLING,
    names.REPAIR_CHANNEL: Queue.HOUSEKEEPING,
    names.EXPIRE_CHANNEL: Queue.HOUSEKEEPING,
    names.CLEAN_TENANT: Queue.HOUSEKEEPING,
    names.KEEP_MONTHS: Queue.HOUSEKEEPING,
    names.INDEX_TEXT: Queue.HOUSEKEEPING,
}


def routes() -> dict[str, dict[str, str]]:
    """As Celery's `task_routes` wants it."""
    return {task: {"queue": str(queue)} for task, queue in QUEUE_OF.items()}
