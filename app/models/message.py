from datetime import datetime
from enum import IntEnum, StrEnum
from uuid import UUID

from sqlalchemy import DateTime, Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, column_property, mapped_column

from app.models.base import Json, TenantScoped, belongs_to_tenant, one_of, refers_to


class Direction(StrEnum):
    INCOMING = "incoming"
    OUTGOING = "outgoing"


class Status(StrEnum):
    """Where a message is in its life; `app/messages/status.py` says how it moves."""

    RECEIVED = "received"
    QUEUED = "queued"
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    ACCEPTED = "accepted"
    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"
    UNKNOWN = "unknown"
    CANCELED = "canceled"


class Sender(StrEnum):
    CONTACT = "contact"
    BOT = "bot"
    USER = "user"
    API = "api"


class Policy(StrEnum):
    DEFAULT = "default"
    AT_MOST_ONCE = "at_most_once"


class Priority(IntEnum):
    """Smaller goes first."""

    REPLY = 0
    NOTICE = 1
    BULK = 2


AT = text("greatest(created_at, due_at)")
"""A message's time, in an index."""


IS_WAITING = "status in ('queued', 'sending', 'uncertain')"
"""Work of ours is left, in an index."""


class Message(TenantScoped):
    """One message, in or out, and where it is in its life.

    `at` is its time, by which every list is sorted: an incoming message's is when we heard of it
    (or, found in the provider's list, when it was written), an outgoing one's when it was stored,
    and if it is to leave later, then.

    `content` is our own typed form (`app/messages/content.py`). For an outgoing message `due_at`
    is when it should leave, which is also its place in the order, and `retry_at` when it may be
    tried again; `lease_until` is how long its present claim (or wait for news) holds. All follow
    the database's clock. `is_held`: it waits behind another message of its conversation, and
    whoever ends that one lets it go.
    """

    __tablename__ = "messages"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("channels", "channel_id"),
        refers_to("conversations", "conversation_id"),
        refers_to("contacts", "contact_id"),
        one_of("direction", Direction),
        one_of("status", Status),
        one_of("sender", Sender),
        one_of("policy", Policy),
        # The history of a conversation, either way round, and the list of one person's messages.
        Index("ix_messages_conversation_id_at", "tenant_id", "conversation_id", AT, "id"),
        # The list of messages, of a span of time, and the runs of them that a search reads.
        Index("ix_messages_at", "tenant_id", AT, "id"),
        # The list of finished messages with one status. Clean-up of those that are old. Without
        # those that wait: before a campaign is in the statistics, the planner would take this index
        # for as good as the right one, and a look for due messages would read all of them.
        Index(
            "ix_messages_status_at",
            "tenant_id",
            "status",
            AT,
            "id",
            postgresql_where=text("status not in ('queued', 'sending', 'uncertain')"),
        ),
        # Deleting a contact: Postgres asks whether a message refers to it.
        Index("ix_messages_contact_id", "tenant_id", "contact_id"),
        # The due messages of one channel, replies first, oldest first; which channels have some.
        Index(
            "ix_messages_due",
            "tenant_id",
            "channel_id",
            "priority",
            "due_at",
            "id",
            postgresql_where=text("status = 'queued' and not is_held"),
        ),
        # Whether something else of the conversation goes first; which one is next.
        Index(
            "ix_messages_waiting",
            "tenant_id",
            "conversation_id",
            "priority",
            "due_at",
            "id",
            postgresql_where=text(IS_WAITING),
        ),
        # Order within a conversation: at most one in flight, or with a fate to be found out.
        Index(
            "uq_messages_in_flight",
            "tenant_id",
            "conversation_id",
            unique=True,
            postgresql_where=text("status in ('sending', 'uncertain')"),
        ),
        # The beat: leases that ran out, and uncertain messages that wait to be settled.
        Index(
            "ix_messages_lease_until",
            "lease_until",
            "tenant_id",
            "channel_id",
            postgresql_where=text("status in ('sending', 'uncertain')"),
        ),
        # A provider's id is bound to one message.
        Index(
            "uq_messages_provider_message_id",
            "tenant_id",
            "channel_id",
            "provider_message_id",
            unique=True,
            postgresql_where=text("provider_message_id is not null"),
        ),
    )

    channel_id: Mapped[UUID]
    conversation_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    direction: Mapped[str]
    status: Mapped[str]
    sender: Mapped[str]
    from_number: Mapped[str]
    to_number: Mapped[str]
    type: Mapped[str]
    body: Mapped[str] = mapped_column(default="")
    content: Mapped[Json]
    fallback: Mapped[Json | None]
    policy: Mapped[str] = mapped_column(default=Policy.DEFAULT)
    priority: Mapped[int] = mapped_column(default=Priority.NOTICE)
    is_test: Mapped[bool] = mapped_column(default=False)
    attempts: Mapped[int] = mapped_column(default=0)
    is_held: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    due_at: Mapped[datetime | None] = mapped_column()
    retry_at: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    settle_reads: Mapped[int] = mapped_column(default=0)
    provider_message_id: Mapped[str | None]
    error: Mapped[Json | None]
    sent_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    read_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    # The moment of the insert, not of its transaction's start: later than all that this had read.
    created_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), sort_order=8
    )
    at: Mapped[datetime] = column_property(
        func.greatest(created_at, due_at, type_=DateTime(timezone=True)).label("at")
    )


class AttemptOutcome(StrEnum):
    """How a call ended. Neither `retry` nor `paused` was processed; `paused` was not the message's
    fault and uses up none of its attempts.
    """

    STARTED = "started"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    RETRY = "retry"
    PAUSED = "paused"
    UNCERTAIN = "uncertain"


class Attempt(TenantScoped):
    """One call to a provider, written before the call that it describes."""

    __tablename__ = "attempts"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("messages", "message_id", "CASCADE"),
        one_of("outcome", AttemptOutcome),
        UniqueConstraint("tenant_id", "message_id", "number"),
    )

    message_id: Mapped[UUID]
    number: Mapped[int]
    outcome: Mapped[str] = mapped_column(default=AttemptOutcome.STARTED)
    finished_at: Mapped[datetime | None]
    provider_message_id: Mapped[str | None]
    error: Mapped[Json | None]
