from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, func
from sqlalchemy.orm import Mapped, mapped_column

from app.common.ids import new_id
from app.models.base import Base, Json, belongs_to_tenant, one_of, pinned_tenant

LANGUAGES = ("es", "en")
"""Those of the ready-made keyword replies."""


class TenantStatus(StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"


class Tenant(Base):
    """A business. If it is closed, its sign-ins, keys and webhooks are refused; its rows stay.

    `bot_budget` holds the limits of all its bots together, in the form of `app/bots/limits.py`.
    """

    __tablename__ = "tenants"
    __table_args__ = (one_of("status", TenantStatus),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    name: Mapped[str]
    status: Mapped[str] = mapped_column(default=TenantStatus.ACTIVE)
    timezone: Mapped[str] = mapped_column(default="UTC")
    language: Mapped[str] = mapped_column(default="es")
    daily_message_quota: Mapped[int | None]
    bot_budget: Mapped[Json] = mapped_column(default=dict, server_default="{}")
    data_key: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())

    @property
    def id(self) -> UUID:
        return self.tenant_id


class DailyUsage(Base):
    """How many messages a tenant with a quota sent on one day of its own time zone."""

    __tablename__ = "daily_usage"
    __table_args__ = (
        belongs_to_tenant(),
        # The scheduler: tenants that have days which are over.
        Index("ix_daily_usage_day", "day", "tenant_id"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, default=pinned_tenant)
    day: Mapped[date] = mapped_column(primary_key=True)
    sent: Mapped[int]
