"""What became of a bot's turns, for people to read."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.ai.catalogue import Usage
from app.bots import turns_repository as repository
from app.bots.definition import Json
from app.common.pagination import Page, PageRequest
from app.models import Turn


@dataclass(frozen=True)
class CallDetails:
    """A call of a tool. `arguments` is None if the model wrote no JSON object."""

    name: str
    arguments: Json | None
    state: str
    result: str


@dataclass(frozen=True)
class TurnDetails:
    """A turn. What is not known yet, or does not apply, is None. `cost` is in US dollars."""

    id: UUID
    state: str
    outcome: str | None
    error: str | None
    bot_id: UUID | None
    version: int | None
    model: str | None
    message_ids: tuple[UUID, ...]
    calls: tuple[CallDetails, ...]
    sources: tuple[Json, ...]
    usage: Usage | None
    cost: float | None
    milliseconds: int | None
    reply_id: UUID | None
    armed_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def list_turns(session: Session, conversation_id: UUID, page: PageRequest) -> Page[TurnDetails]:
    """Return the turns of a conversation, newest first."""
    found = repository.turns_page(session, conversation_id, page)
    return Page([describe(turn) for turn in found.items], found.next_cursor)


def describe(turn: Turn) -> TurnDetails:
    return TurnDetails(
        id=turn.id,
        state=turn.state,
        outcome=turn.outcome,
        error=turn.error or None,
        bot_id=turn.bot_id,
        version=turn.version,
        model=turn.model or None,
        message_ids=tuple(UUID(each) for each in turn.message_ids),
        calls=tuple(describe_call(each) for each in turn.calls),
        sources=tuple(turn.sources),
        usage=Usage(**turn.usage) if turn.model else None,
        cost=None if turn.cost is None else float(turn.cost),
        milliseconds=turn.milliseconds,
        reply_id=turn.reply_id,
        armed_at=turn.armed_at,
        started_at=turn.started_at,
        finished_at=turn.finished_at,
    )


def describe_call(call: Json) -> CallDetails:
    arguments = call["arguments"]
    return CallDetails(
        name=call["name"],
        arguments=arguments if isinstance(arguments, dict) else None,
        state=call["state"],
        result=call["result"],
    )
