from datetime import datetime
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped

from app.models.base import TenantScoped, belongs_to_tenant, refers_to


class Summary(TenantScoped):
    """What was said in a conversation until a time, in short. An empty text: it is forgotten."""

    __tablename__ = "summaries"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("conversations", "conversation_id", "CASCADE"),
        UniqueConstraint("tenant_id", "conversation_id"),
    )

    conversation_id: Mapped[UUID]
    text: Mapped[str]
    until: Mapped[datetime]
