"""Background work on what providers told us."""

from uuid import UUID

from app.extensions import celery
from app.tasks import names
from app.webhook import apply


@celery.task(name=names.APPLY_INBOX)
def apply_inbox(tenant_id: str) -> None:
    """Apply what waits in the inbox of one tenant, until nothing is left."""
    while apply.apply_due(UUID(tenant_id)):
        pass
