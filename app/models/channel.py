from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Json, TenantScoped, belongs_to_tenant, one_of


class ChannelStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"


class Channel(TenantScoped):
    """A sender of a tenant at a provider.

    `provider` is a name of `app/channels/providers/registry.py`. `account` is the provider's name
    of the account (Twilio: the AccountSid). `key` is the unguessable part of its webhook URL. Two
    tenants may enter the same sender: a webhook goes to the one whose credentials verify its
    signature, so neither learns of the other.

    `trouble` says why the provider accepts no messages of this channel (bad credentials,
    throttling, no connection): `{code, cause, remedy, provider_code, since, count}`. Nothing is
    sent before `paused_until`; then one message is tried.

    `heard_until`: messages that the provider received before this time are in the inbox, checked
    against its list. `repair_at`: when that list is to be read again, or when the lease of
    `repair_holder`, who reads a page of it now, ends. `repair_tried_at`: when a page was last
    requested; `repair_tries`: how often in a row the same page could not be read; `repair_again`:
    another reading follows this one.

    A reading goes from `reading_until` down to `reading_since`, both None while none is in
    progress. Messages newer than `reading_below` were compared (None: nothing yet), `reading_page`
    is the provider's name of the next page, and `reading_has_gap` says that something in between
    could not be read.
    """

    __tablename__ = "channels"
    __table_args__ = (
        belongs_to_tenant(),
        one_of("status", ChannelStatus),
        UniqueConstraint("tenant_id", "provider", "account", "phone_number"),
        # Webhooks, before a tenant is known: by the key in the path …
        Index("uq_channels_key", "key", unique=True),
        # … or by the account and sender that the provider names.
        Index("ix_channels_account_phone_number", "account", "phone_number"),
        # The scheduler: channels whose provider's list is to be read.
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
    paused_until: Mapped[datetime | None]
    trouble: Mapped[Json | None]
    heard_until: Mapped[datetime] = mapped_column(server_default=func.now())
    repair_at: Mapped[datetime] = mapped_column(
        server_default=text("now() + interval '15 minutes'")
    )
    repair_tries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    repair_tried_at: Mapped[datetime | None]
    repair_holder: Mapped[UUID | None]
    repair_again: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    reading_since: Mapped[datetime | None]
    reading_until: Mapped[datetime | None]
    reading_below: Mapped[datetime | None]
    reading_page: Mapped[str | None]
    reading_has_gap: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
