from datetime import datetime
from uuid import UUID

from sqlalchemy import Index, text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import TenantScoped, belongs_to_tenant


class SearchBlock(TenantScoped):
    """The words of a run of messages (migrations/search.py).

    The run begins with the message that has the time `since_at` and the id `since_id`, and ends
    with `until_at`, `until_id`. `is_late`: a single message that was stored behind the newest
    block; its id is the block's.
    """

    __tablename__ = "search_blocks"
    __table_args__ = (
        belongs_to_tenant(),
        # A search, by recado.matching_blocks.
        Index(
            "ix_search_blocks_words",
            "words",
            postgresql_using="gin",
            postgresql_with={"fastupdate": "off"},
        ),
        # Where the blocks begin and end.
        Index(
            "ix_search_blocks_until",
            "tenant_id",
            "until_at",
            "until_id",
            postgresql_where=text("not is_late"),
        ),
    )

    since_at: Mapped[datetime]
    since_id: Mapped[UUID]
    until_at: Mapped[datetime]
    until_id: Mapped[UUID]
    is_late: Mapped[bool]
    words: Mapped[str] = mapped_column(TSVECTOR)
