from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TenantScoped, belongs_to_tenant, one_of, refers_to


class InboxState(StrEnum):
    RECEIVED = "received"
    APPLIED = "applied"
    IGNORED = "ignored"
    PARKED = "parked"


class InboxItem(TenantScoped):
    """One event of a provider, raw, stored before we answered.

    `raw` is the provider's own text (Twilio: the form body and, after a newline, the query of the
    URL). `event_key` names the provider's event, so that a duplicate only increments `duplicates`.
    `is_repaired`: no webhook reported it; we found it in the provider's list.
    """

    __tablename__ = "inbox_items"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("channels", "channel_id"),
        one_of("state", InboxState),
        UniqueConstraint("tenant_id", "channel_id", "event_key"),
        # Applying: waiting items, oldest first. The scheduler: tenants that have some.
        Index(
            "ix_inbox_items_received",
            "tenant_id",
            "id",
            postgresql_where=text("state = 'received'"),
        ),
        # Clean-up of old finished items.
        Index(
            "ix_inbox_items_finished_at",
            "tenant_id",
            "finished_at",
            postgresql_where=text("state in ('applied', 'ignored')"),
        ),
        # Parked items: listed for a tenant, counted for the operator.
        Index(
            "ix_inbox_items_parked",
            "tenant_id",
            "id",
            postgresql_where=text("state = 'parked'"),
        ),
    )

    channel_id: Mapped[UUID]
    event_key: Mapped[str]
    raw: Mapped[str]
    state: Mapped[str] = mapped_column(default=InboxState.RECEIVED)
    duplicates: Mapped[int] = mapped_column(default=0)
    tries: Mapped[int] = mapped_column(default=0)
    reason: Mapped[str | None]
    due_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]
    is_repaired: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
