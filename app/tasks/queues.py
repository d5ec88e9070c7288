"""Queues, named by what waits in them. Each has workers of its own.

Slow work never stands before fast work: neither a provider's list that takes 15 seconds nor a
campaign delays a reply or the scheduler.
"""

from enum import StrEnum

from app.tasks import names


class Queue(StrEnum):
    SCHEDULER = "scheduler"
    """Runs of the scheduler: short queries that find due work."""
    REPLIES = "replies"
    """Sending replies to people who wrote within a day."""
    DELIVERY = "delivery"
    """Sending everything else."""
    INBOX = "inbox"
    """Applying the events that providers sent."""
    SETTLING = "settling"
    """Asking providers for the outcome of uncertain messages."""
    TURNS = "turns"
    """Running the turns of bots, each of which waits for a model, and making their summaries."""
    HOUSEKEEPING = "housekeeping"
    """Repair, clean-up, the search index and documents. Nobody waits long for these."""


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
    names.RUN_TURN: Queue.TURNS,
    names.SUMMARIZE: Queue.TURNS,
    names.RETURN_IDLE: Queue.HOUSEKEEPING,
    names.KEEP_MONTHS: Queue.HOUSEKEEPING,
    names.INDEX_TEXT: Queue.HOUSEKEEPING,
    names.READ_DOCUMENT: Queue.HOUSEKEEPING,
    names.EMBED_DOCUMENTS: Queue.HOUSEKEEPING,
}


def routes() -> dict[str, dict[str, str]]:
    """Return the routes in the form of Celery's `task_routes`."""
    return {task: {"queue": str(queue)} for task, queue in QUEUE_OF.items()}
