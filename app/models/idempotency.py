from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from app.models.base import TenantScoped, belongs_to_tenant


class IdempotencyKey(TenantScoped):
    """A client's idempotency key, with the encrypted response to the first request."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (
        belongs_to_tenant(),
        # The claim of a key by one of two simultaneous requests.
        Index("uq_idempotency_keys_key", "tenant_id", "key", unique=True),
        # Clean-up of expired keys.
        Index("ix_idempotency_keys_expires_at", "tenant_id", "expires_at"),
    )

    key: Mapped[str]
    fingerprint: Mapped[str]
    status_code: Mapped[int | None]
    answer: Mapped[bytes | None]
    expires_at: Mapped[datetime]
