from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Json, TenantScoped, belongs_to_tenant


class ActorType(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    SYSTEM = "system"
    PLATFORM = "platform"
    """Somebody of the installation, whom a tenant does not know by name."""


class AuditEntry(TenantScoped):
    """Who changed what, written in the transaction of the change. Never holds a secret.

    The table is partitioned by the month of the id (migrations/months.py).
    """

    __tablename__ = "audit_entries"
    __table_args__ = (belongs_to_tenant(), {"postgresql_partition_by": "RANGE (id)"})

    actor_type: Mapped[str]
    actor_id: Mapped[UUID | None]
    actor_name: Mapped[str] = mapped_column(default="")
    action: Mapped[str]
    subject_type: Mapped[str]
    subject_id: Mapped[UUID | None]
    changes: Mapped[Json] = mapped_column(default=dict)
    request_id: Mapped[str | None]
