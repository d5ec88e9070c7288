from uuid import UUID

from sqlalchemy import SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Json, TenantScoped, belongs_to_tenant


class Event(TenantScoped):
    """A fact, written in the transaction that made it true. It is kept when the rows it names are
    deleted.

    `type` is one of `app/events/catalogue.py`, which describes `data` in this `version`. The table
    is partitioned by the month of the id (migrations/months.py).
    """

    __tablename__ = "events"
    __table_args__ = (
        belongs_to_tenant(),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    type: Mapped[str]
    version: Mapped[int] = mapped_column(SmallInteger(), server_default=text("1"))
    conversation_id: Mapped[UUID | None]
    message_id: Mapped[UUID | None]
    data: Mapped[Json]
