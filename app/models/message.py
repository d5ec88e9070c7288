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
    """The status of a message; `app/messages/status.py` says how it changes."""

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
    """A smaller number is sent first."""

    REPLY = 0
    NOTICE = 1
    BULK = 2


AT = text("greatest(created_at, due_at)")
"""A message's time, as an index has it."""


IS_WAITING = "status in ('queued', 'sending', 'uncertain')"
"""We still have work to do with the message, as an index has it."""


class Message(TenantScoped):
    """One message, incoming or outgoing, with its status.

    `at` is its time, by which every list is sorted. For an incoming message it is when we received
    it (or, if it was found in the provider's list, when it was written); for an outgoing one when
    it was stored or, if it is scheduled, when it is to be sent.

    `content` is our own typed form (`app/messages/content.py`). For an outgoing message `due_at` is
    when it should be sent, which is also its place in the order, and `retry_at` when it may be
    tried again; `lease_until` is when its current claim (or wait for a receipt) ends. All follow
    the database's clock. `is_held`: it waits behind another message of its conversation, whose end
    releases it.
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
        # The history of a conversation, in both directions, and the list of one person's messages.
        Index("ix_messages_conversation_id_at", "tenant_id", "conversation_id", AT, "id"),
        # The list of messages, of a time range, and the runs of messages that a search reads.
        Index("ix_messages_at", "tenant_id", AT, "id"),
        # The list of finished messages with one status, and the clean-up of old ones. It leaves out
        # waiting messages: before a campaign is in the statistics, the planner would consider this
        # index as good as the right one, and a query for due messages would read all of them.
        Index(
            "ix_messages_status_at",
            "tenant_id",
            "status",
            AT,
            "id",
            postgresql_where=text("status not in ('queued', 'sending', 'uncertain')"),
        ),
        # Deleting a contact: Postgres checks whether a message refers to it.
        Index("ix_messages_contact_id", "tenant_id", "contact_id"),
        # The due messages of one channel, replies first, oldest first; and which channels have
        # some.
        Index(
            "ix_messages_due",
            "tenant_id",
            "channel_id",
            "priority",
            "due_at",
            "id",
            postgresql_where=text("status = 'queued' and not is_held"),
        ),
        # Whether another message of the conversation goes first, and which one is next.
        Index(
            "ix_messages_waiting",
            "tenant_id",
            "conversation_id",
            "priority",
            "due_at",
            "id",
            postgresql_where=text(IS_WAITING),
        ),
        # Order within a conversation: at most one message in flight or uncertain.
        Index(
            "uq_messages_in_flight",
            "tenant_id",
            "conversation_id",
            unique=True,
            postgresql_where=text("status in ('sending', 'uncertain')"),
        ),
        # The scheduler: leases that ended, and uncertain messages that are to be settled.
        Index(
            "ix_messages_lease_until",
            "lease_until",
            "tenant_id",
            "channel_id",
            postgresql_where=text("status in ('sending', 'uncertain')"),
        ),
        # A provider's id belongs to one message.
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
    # The time of the insert, not of the transaction's start: later than everything it has read.
    created_at: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), sort_order=8
    )
    at: Mapped[datetime] = column_property(
        func.greatest(created_at, due_at, type_=DateTime(timezone=True)).label("at")
    )


class AttemptOutcome(StrEnum):
    """How a call ended. With `retry` and `paused` the message was not processed; `paused` was not
    the message's fault and uses up none of its attempts."""

    STARTED = "started"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    RETRY = "retry"
    PAUSED = "paused"
    UNCERTAIN = "uncertain"


class Attempt(TenantScoped):
    """One call to a provider, written before the call."""

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
