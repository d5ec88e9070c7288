from datetime import datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TenantScoped, belongs_to_tenant


class KeywordReply(TenantScoped):
    """A fixed reply to a customer whose message begins with one of some keywords."""

    __tablename__ = "keyword_replies"
    __table_args__ = (belongs_to_tenant(),)

    keywords: Mapped[list[str]]
    reply: Mapped[str]
    is_enabled: Mapped[bool] = mapped_column(default=True)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
