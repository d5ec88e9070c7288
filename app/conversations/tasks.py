"""Background tasks of conversations."""

from uuid import UUID

from app import db
from app.conversations import ownership
from app.extensions import celery
from app.tasks import names


@celery.task(name=names.RETURN_IDLE)
def return_idle(tenant_id: str) -> None:
    """Release the conversations of one tenant that people have left idle, a hundred in each
    transaction."""
    more = True
    while more:
        with db.tenant_session(UUID(tenant_id)) as session:
            more = ownership.return_idle(session) == ownership.MOST_AT_ONCE
