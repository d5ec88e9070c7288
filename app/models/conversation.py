from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TenantScoped, belongs_to_tenant, one_of, refers_to


class ConversationStatus(StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"
    ARCHIVED = "archived"


class Owner(StrEnum):
    BOT = "bot"
    HUMAN = "human"
    NOBODY = "nobody"


class Conversation(TenantScoped):
    """The one conversation between a contact and a channel; a new message reopens it. Test messages
    have a conversation of their own (`is_test`).

    `address` is the contact's last address on this channel: a phone number or a WhatsApp user id.
    `window_closed_at` is when the provider last refused a message because the 24-hour window was
    closed. `auto_replies_paused_until`: no automatic reply is sent before then.
    `auto_replies_counted_from`: when a person of the business last stepped in; earlier replies do
    not count.

    `owner` says who answers. `assigned_to` is the person of the business who does, if it is a
    certain one. `owner_since` and `owner_reason` say when and why this owner got it. `owner_fence`
    rises with each change of the owner or the person, so whoever began an answer under an earlier
    value must not send it. `history_from`: what was said before belongs to a matter that is over,
    and bots do not read it.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("channels", "channel_id"),
        refers_to("contacts", "contact_id"),
        refers_to("users", "assigned_to", "SET NULL"),
        one_of("status", ConversationStatus),
        one_of("owner", Owner),
        UniqueConstraint("tenant_id", "channel_id", "contact_id", "is_test"),
        # The list of conversations, newest first.
        Index("ix_conversations_last_message_at", "tenant_id", "last_message_at", "id"),
        # The list of those that a person answers, and those that people have left idle.
        Index(
            "ix_conversations_of_people",
            "tenant_id",
            "last_message_at",
            "id",
            postgresql_where=text("owner = 'human'"),
        ),
        # Members who leave: the conversations assigned to them.
        Index(
            "ix_conversations_assigned_to",
            "tenant_id",
            "assigned_to",
            postgresql_where=text("assigned_to is not null"),
        ),
        # Conversations of one contact.
        Index("ix_conversations_contact_id", "tenant_id", "contact_id"),
    )

    channel_id: Mapped[UUID]
    contact_id: Mapped[UUID]
    address: Mapped[str]
    is_test: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    status: Mapped[str] = mapped_column(default=ConversationStatus.ACTIVE)
    owner: Mapped[str] = mapped_column(default=Owner.NOBODY)
    owner_since: Mapped[datetime | None]
    owner_reason: Mapped[str] = mapped_column(default="", server_default="")
    owner_fence: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    assigned_to: Mapped[UUID | None]
    history_from: Mapped[datetime | None]
    message_count: Mapped[int] = mapped_column(default=0)
    last_message_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_inbound_at: Mapped[datetime | None]
    window_closed_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    auto_replies_paused_until: Mapped[datetime | None]
    auto_replies_counted_from: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
