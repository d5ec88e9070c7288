from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Json, TenantScoped, belongs_to_tenant, one_of


class Provider(StrEnum):
    TWILIO = "twilio"
    META = "meta"


class ChannelStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class Channel(TenantScoped):
    """A sender of a tenant at a provider.

    `account` is the provider's name of the account (Twilio: the AccountSid). `key` is the
    unguessable part of its webhook URL. Two tenants may enter the same sender: a webhook goes to
    the one whose credentials verify its signature, so nobody learns of the other.

    `heard_until`: what the provider heard up to then is in the inbox, checked against its list.
    `repair_at`: when that list is to be read again; `repair_tries`: how often it could not be.
    """

    __tablename__ = "channels"
    __table_args__ = (
        belongs_to_tenant(),
        one_of("provider", Provider),
        one_of("status", ChannelStatus),
        UniqueConstraint("tenant_id", "provider", "account", "phone_number"),
        # Webhooks, before a tenant is known: by the key in the path …
        Index("uq_channels_key", "key", unique=True),
        # … or by the account and sender that the provider names.
        Index("ix_channels_account_phone_number", "account", "phone_number"),
        # The beat: channels whose provider's list is to be read.
        Index("ix_channels_repair_at", "repair_at", postgresql_where=text("status = 'active'")),
    )

    name: Mapped[str]
    provider: Mapped[str]
    account: Mapped[str]
    phone_number: Mapped[str]
    key: Mapped[str]
    credentials: Mapped[bytes]
    credential_hints: Mapped[Json]
    messages_per_second: Mapped[int] = mapped_column(default=80)
    is_default: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(default=ChannelStatus.ACTIVE)
    verified_at: Mapped[datetime | None]
    verification: Mapped[Json] = mapped_column(default=dict)
    heard_until: Mapped[datetime] = mapped_column(server_default=func.now())
    repair_at: Mapped[datetime] = mapped_column(
        server_default=text("now() + interval '15 minutes'")
    )
    repair_tries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
