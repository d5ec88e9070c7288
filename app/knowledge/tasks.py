"""Background tasks of the bots' documents."""

from uuid import UUID

from app.extensions import celery
from app.knowledge import reading
from app.tasks import names


@celery.task(name=names.READ_DOCUMENT)
def read_document(tenant_id: str, document_id: str) -> None:
    """Read a document that was handed in, so that its bot can quote it."""
    reading.read(UUID(tenant_id), UUID(document_id))
