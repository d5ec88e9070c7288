from datetime import date
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Index, Numeric
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, belongs_to_tenant, one_of, pinned_tenant

DOLLARS = Numeric(20, 10)
"""A token costs less than a ten-millionth of a dollar, and no sum must lose a part of it."""


class SpendScope(StrEnum):
    """Whose spending is counted. CONTACT: what the bots of the tenant spend on one customer."""

    TENANT = "tenant"
    BOT = "bot"
    CONTACT = "contact"


class SpendPeriod(StrEnum):
    DAY = "day"
    MONTH = "month"


class BotSpend(Base):
    """What models cost in one period: of the tenant, of one bot, or for one contact.

    `scope_id` is the id of the tenant, the bot or the contact. It is no foreign key: a bot that is
    deleted has spent what it spent. `starts_on` is the first day of the period in the tenant's time
    zone. `tokens` and `dollars` (US) are spent, the `reserved` ones belong to calls that have not
    ended. `warned_for` and `reached_for` hold the limits of which the tenant was told, so that it
    is told of each once.
    """

    __tablename__ = "bot_spend"
    __table_args__ = (
        belongs_to_tenant(),
        one_of("scope", SpendScope),
        one_of("period", SpendPeriod),
        # The clean-up.
        Index("ix_bot_spend_starts_on", "tenant_id", "starts_on"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, default=pinned_tenant)
    scope: Mapped[str] = mapped_column(primary_key=True)
    scope_id: Mapped[UUID] = mapped_column(primary_key=True)
    period: Mapped[str] = mapped_column(primary_key=True)
    starts_on: Mapped[date] = mapped_column(primary_key=True)
    tokens: Mapped[int] = mapped_column(BigInteger)
    dollars: Mapped[Decimal] = mapped_column(DOLLARS)
    reserved_tokens: Mapped[int] = mapped_column(BigInteger)
    reserved_dollars: Mapped[Decimal] = mapped_column(DOLLARS)
    warned_for: Mapped[str] = mapped_column(default="", server_default="")
    reached_for: Mapped[str] = mapped_column(default="", server_default="")
