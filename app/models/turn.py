from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, Numeric, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Json, TenantScoped, belongs_to_tenant, one_of, refers_to


class TurnState(StrEnum):
    """ARMED: it waits for its time. RUNNING: a worker has it, under a lease."""

    ARMED = "armed"
    RUNNING = "running"
    FINISHED = "finished"


class TurnOutcome(StrEnum):
    """How a turn ended. HANDED_OVER: people answer from then on, or the customer was told how to
    reach one. FELL_BACK: the model gave no answer, and the fallback text was sent. OUT_OF_HOURS:
    that text was sent. SUPERSEDED: something newer came before the answer; the next turn answers
    both. SILENT: nothing was said; `error` says why."""

    ANSWERED = "answered"
    HANDED_OVER = "handed_over"
    FELL_BACK = "fell_back"
    OUT_OF_HOURS = "out_of_hours"
    SUPERSEDED = "superseded"
    SILENT = "silent"


class Turn(TenantScoped):
    """One answer of a bot to what a customer wrote: due, in progress, or finished and recorded.

    A conversation has at most one that waits and one that runs. An incoming message arms one or
    moves its time. `armed_at` is when the first of its messages came, and `due_at` when it is to
    run. `tries` counts how often it was begun; a worker that finds another number than its own has
    lost the turn. `replaced` counts the turns before it that were superseded. `owner_fence` is the
    conversation's when it was begun.

    `message_ids`: of a turn that waits, the messages that it is to answer.

    The record: `version` of the bot, `message_ids` that the model read, `calls` of tools
    (`{id, name, arguments, state, result}`), `sources`, the parts of documents that the model
    got, `usage` in tokens, `cost` in US dollars (None: the price is unknown), `milliseconds` from
    its beginning to its end, `reply_id`, `outcome` and `error`.

    `hold` is what its call of the model in progress has reserved of the budgets, in the form of
    `app/bots/budget.py`.
    """

    __tablename__ = "turns"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("conversations", "conversation_id", "CASCADE"),
        refers_to("bots", "bot_id", "SET NULL"),
        one_of("state", TurnState),
        Index(
            "uq_turns_armed",
            "tenant_id",
            "conversation_id",
            unique=True,
            postgresql_where=text("state = 'armed'"),
        ),
        Index(
            "uq_turns_running",
            "tenant_id",
            "conversation_id",
            unique=True,
            postgresql_where=text("state = 'running'"),
        ),
        # The clean-up.
        Index("ix_turns_finished_at", "tenant_id", "finished_at"),
        # The turns of a conversation, and of a bot that is deleted.
        Index("ix_turns_conversation_id", "tenant_id", "conversation_id", "id"),
        Index("ix_turns_bot_id", "tenant_id", "bot_id"),
        # What workers that died have left reserved.
        Index(
            "ix_turns_hold",
            "tenant_id",
            "conversation_id",
            postgresql_where=text("hold is not null"),
        ),
    )

    conversation_id: Mapped[UUID]
    bot_id: Mapped[UUID | None]
    state: Mapped[str] = mapped_column(default=TurnState.ARMED)
    armed_at: Mapped[datetime] = mapped_column(server_default=func.now())
    due_at: Mapped[datetime]
    lease_until: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    replaced: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    owner_fence: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    version: Mapped[int | None]
    model: Mapped[str] = mapped_column(default="", server_default="")
    message_ids: Mapped[list[str]] = mapped_column(default=list, server_default="[]")
    calls: Mapped[list[Json]] = mapped_column(default=list, server_default="[]")
    sources: Mapped[list[Json]] = mapped_column(default=list, server_default="[]")
    usage: Mapped[Json] = mapped_column(default=dict, server_default="{}")
    cost: Mapped[Decimal | None] = mapped_column(Numeric(14, 8))
    outcome: Mapped[str | None]
    error: Mapped[str] = mapped_column(default="", server_default="")
    reply_id: Mapped[UUID | None]
    hold: Mapped[Json | None] = mapped_column(JSONB(none_as_null=True))
    milliseconds: Mapped[int | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
