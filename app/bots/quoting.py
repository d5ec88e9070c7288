"""What of a conversation is looked up in the bot's documents."""

from collections.abc import Sequence
from itertools import takewhile
from uuid import UUID

from app.ai.types import Role, Said
from app.bots.history import Line
from app.knowledge import service as knowledge
from app.knowledge.service import Found, Meaning


def look_up(
    tenant_id: UUID, bot_id: UUID, lines: Sequence[Line], by_meaning: Meaning | None = None
) -> Found:
    """Return what the bot's documents say about the customer's messages since the last answer.

    The customer's message before them is looked up, too: a short question may continue it.
    """
    unanswered = list(takewhile(lambda line: line.is_customer, reversed(lines)))
    earlier = [line for line in lines[: len(lines) - len(unanswered)] if line.is_customer]
    return knowledge.look_up(
        tenant_id,
        bot_id,
        said=[line.body for line in unanswered],
        before=[line.body for line in earlier[-1:]],
        by_meaning=by_meaning,
    )


def look_up_said(
    tenant_id: UUID, bot_id: UUID, said: Sequence[Said], by_meaning: Meaning | None
) -> Found:
    """Do the same for a conversation as the model gets it."""
    lines = [Line(each.role is Role.USER, "text", each.text) for each in said]
    return look_up(tenant_id, bot_id, lines, by_meaning)
