"""Background tasks of bots."""

from uuid import UUID

from app.bots import service
from app.extensions import celery
from app.tasks import names


@celery.task(name=names.RUN_TURN)
def run_turn(tenant_id: str, conversation_id: str) -> None:
    """Let the bot of a conversation answer what the customer wrote."""
    service.run_turn(UUID(tenant_id), UUID(conversation_id))


@celery.task(name=names.EMBED_DOCUMENTS)
def embed_documents(tenant_id: str) -> None:
    """Make embeddings of documents, by which bots find passages by their meaning."""
    service.embed_documents(UUID(tenant_id))


@celery.task(name=names.SUMMARIZE)
def summarize(tenant_id: str, conversation_id: str) -> None:
    """Make a summary of what was said in a conversation before its last messages."""
    service.summarize(UUID(tenant_id), UUID(conversation_id))
