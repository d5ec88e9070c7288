"""Background tasks of messages that nobody waits for."""

from functools import partial
from uuid import UUID

from app.extensions import celery
from app.messages import service
from app.tasks import names
from app.tasks.drain import drain

SLICE_SECONDS = 20.0


@celery.task(name=names.INDEX_TEXT)
def index_text(tenant_id: str) -> None:
    """Write the search index of a tenant's texts, up to a few minutes ago."""
    drain(
        names.INDEX_TEXT,
        tenant_id,
        step=partial(service.index_text, UUID(tenant_id)),
        # Messages that arrived meanwhile can wait for the next search.
        is_due=lambda: False,
        slice_seconds=SLICE_SECONDS,
    )
