"""Failing of messages whose validity has ended, also while their channel sends nothing."""

from uuid import UUID

from app import config, db
from app.delivery import claims, repository
from app.messages import lifecycle

AT_ONCE = 200


def expire_some(tenant_id: UUID, channel_id: UUID) -> bool:
    """Fail up to AT_ONCE messages whose validity has ended; return whether there may be more."""
    with db.tenant_session(tenant_id) as session:
        hours = config.current().message_validity_hours
        expired = repository.lock_expired(session, channel_id, hours, AT_ONCE)
        for message in expired:
            lifecycle.refuse(session, message, claims.EXPIRED)
    return bool(expired)
