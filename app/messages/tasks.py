"""Work on messages that nobody waits for."""

from functools import partial
from uuid import UUID

from app.extensions import celery
from app.messages import service
from app.tasks import names
from app.tasks.drain import drain

SLICE_SECONDS = 20.0


@celery.task(name=names.INDEX_TEXT)
def index_text(tenant_id: str) -> None:
    """Write the blocks by which a tenant's texts are searched, up to a few minutes ago."""
    drain(
        names.INDEX_TEXT,
        tenant_id,
        step=partial(service.index_text, UUID(tenant_id)),
        # What came meanwhile can wait for the next search.
        is_due=lambda: False,
        slice_seconds=SLICE_SECONDS,
    )
