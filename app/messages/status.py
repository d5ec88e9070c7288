"""The life of a message: one ladder, one transition function.

    queued ─claim→ sending ─accepted→ accepted → sent → delivered → read
                      │ refused → failed
                      │ not processed → queued, later
                      │ nobody can say → uncertain ─news→ accepted … | queued again | unknown
    accepted, sent ─too fast for the provider→ queued, later
    uncertain, unknown ─a person says so→ delivered | queued again | failed

News of a provider only moves a message up the ladder, whatever their order; proof of delivery
beats a report of failure. One report moves it back: the provider took it, and then did not deliver
it because too much was sent at once.
"""

from enum import StrEnum

from app.models import Status

LADDER = (
    Status.QUEUED,
    Status.SENDING,
    Status.UNCERTAIN,
    Status.UNKNOWN,
    Status.CANCELED,
    Status.ACCEPTED,
    Status.SENT,
    Status.FAILED,
    Status.DELIVERED,
    Status.READ,
)
"""From first to last. A status below `accepted` is our own assumption, which any report corrects.
"""

RANK = {status: rank for rank, status in enumerate(LADDER)}

REPORTED = frozenset({Status.ACCEPTED, Status.SENT, Status.FAILED, Status.DELIVERED, Status.READ})
"""What a provider can report of a message."""

IN_FLIGHT = frozenset({Status.SENDING, Status.UNCERTAIN})
"""The provider was called and has not answered; at most one message of a conversation."""

SETTLED = REPORTED | {Status.UNKNOWN, Status.CANCELED}
"""We have no more work with it."""

FINISHED = SETTLED | {Status.RECEIVED}
"""The same, for messages in both directions."""


class Step(StrEnum):
    """A transition that we make ourselves."""

    CLAIM = "claim"
    REFUSE = "refuse"
    POSTPONE = "postpone"
    MARK_UNCERTAIN = "mark_uncertain"
    RESEND = "resend"
    THROTTLE = "throttle"
    GIVE_UP = "give_up"
    WRITE_OFF = "write_off"
    CANCEL = "cancel"


STEPS: dict[Step, tuple[frozenset[Status], Status]] = {
    Step.CLAIM: (frozenset({Status.QUEUED}), Status.SENDING),
    Step.REFUSE: (frozenset({Status.QUEUED, Status.SENDING}), Status.FAILED),
    Step.POSTPONE: (frozenset({Status.SENDING}), Status.QUEUED),
    Step.MARK_UNCERTAIN: (frozenset({Status.SENDING}), Status.UNCERTAIN),
    Step.RESEND: (frozenset({Status.UNCERTAIN, Status.UNKNOWN}), Status.QUEUED),
    Step.THROTTLE: (
        frozenset({Status.QUEUED, Status.SENDING, Status.UNCERTAIN, Status.ACCEPTED, Status.SENT}),
        Status.QUEUED,
    ),
    Step.GIVE_UP: (frozenset({Status.UNCERTAIN}), Status.UNKNOWN),
    Step.WRITE_OFF: (frozenset({Status.UNCERTAIN, Status.UNKNOWN}), Status.FAILED),
    Step.CANCEL: (frozenset({Status.QUEUED}), Status.CANCELED),
}


def transition(current: Status, move: Step | Status) -> Status | None:
    """Return where `move` takes a message whose status is `current`; None when it must stay.

    `move` is a step of ours, or a status that the provider reports. A report also settles a message
    that was queued again or given up, because the provider knows better.
    """
    if isinstance(move, Step):
        allowed, target = STEPS[move]
        return target if current in allowed else None
    if move not in REPORTED or current not in RANK:
        return None
    return move if RANK[move] > RANK[current] else None
