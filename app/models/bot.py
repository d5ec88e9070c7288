from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, false, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Json, TenantScoped, belongs_to_tenant, refers_to


class Bot(TenantScoped):
    """A bot of a channel. What it says and may do is in its versions; `version` is the number of
    the active one, `latest_version` of the newest.

    `model_key` and `actions_key` are encrypted; the hints are their last characters. `budget` holds
    its limits, in the form of `app/bots/limits.py`.

    With `searches_by_meaning`, a model makes embeddings of its documents. `embedded_by` is the
    model that has made those of all of them, None while some are missing; `embed_at` is when the
    next ones may be made, None for now; `embed_tries` counts the failures since the last success.
    """

    __tablename__ = "bots"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("channels", "channel_id"),
        UniqueConstraint("tenant_id", "channel_id"),
        # The bots whose documents may be waiting for embeddings.
        Index(
            "ix_bots_searches_by_meaning",
            "tenant_id",
            "id",
            postgresql_where=text("searches_by_meaning"),
        ),
    )

    name: Mapped[str]
    channel_id: Mapped[UUID]
    is_enabled: Mapped[bool] = mapped_column(default=True, server_default=true())
    version: Mapped[int]
    latest_version: Mapped[int]
    details: Mapped[Json] = mapped_column("metadata", default=dict)
    budget: Mapped[Json] = mapped_column(default=dict, server_default="{}")
    model_base_url: Mapped[str | None]
    model_key: Mapped[bytes | None]
    model_key_hint: Mapped[str | None]
    actions_base_url: Mapped[str | None]
    actions_key: Mapped[bytes | None]
    actions_key_hint: Mapped[str | None]
    searches_by_meaning: Mapped[bool] = mapped_column(default=False, server_default=false())
    embedded_by: Mapped[str | None]
    embed_at: Mapped[datetime | None]
    embed_tries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class BotVersion(TenantScoped):
    """A version of a bot. Its definition is never changed: a change makes a new version.

    `definition` has the form of `app/bots/definition.py`.
    """

    __tablename__ = "bot_versions"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("bots", "bot_id", ondelete="CASCADE"),
        UniqueConstraint("tenant_id", "bot_id", "number"),
    )

    bot_id: Mapped[UUID]
    number: Mapped[int]
    definition: Mapped[Json]
    created_by: Mapped[str]
