from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped

from app.models.base import Json, TenantScoped, belongs_to_tenant


class Event(TenantScoped):
    """A fact, written in the transaction that made it true. Facts outlive what they speak of.

    The table lies in months, by the id (migrations/months.py).
    """

    __tablename__ = "events"
    __table_args__ = (
        belongs_to_tenant(),
        # The timeline of one message.
        Index(
            "ix_events_message_id",
            "tenant_id",
            "message_id",
            "id",
            postgresql_where=text("message_id is not null"),
        ),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    type: Mapped[str]
    conversation_id: Mapped[UUID | None]
    message_id: Mapped[UUID | None]
    data: Mapped[Json]
