"""Reading a document in a worker: PDFs, and texts that take longer than a request should.

A worker takes a document under a lease, reads it without a transaction, and stores what it read. If
it dies meanwhile, the scheduler finds the document again when the lease has ended.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import db
from app.common.faultpoint import faultpoint
from app.knowledge import pdf, repository, storing, uploads
from app.knowledge.chunks import Chunk, split, split_pages
from app.knowledge.errors import Unreadable
from app.models import DocumentKind, DocumentState
from app.tasks import names
from app.tasks.ring import send

log = structlog.get_logger(__name__)

MOST_TRIES = 3
LEASE = timedelta(seconds=120)
"""Longer than the reading of a PDF may take, so that only a worker that died loses it."""

places = threading.BoundedSemaphore(2)
"""Documents that this process reads at once: each PDF may take as much memory as its limit."""


@dataclass(frozen=True)
class Work:
    """A claimed document. `sha256` and `tries` tell whether it is still the same when it was
    read."""

    document_id: UUID
    bot_id: UUID
    kind: DocumentKind
    source: bytes
    sha256: bytes
    tries: int


def read(tenant_id: UUID, document_id: UUID) -> None:
    """Read a document, unless another worker does, or this process has no place; the scheduler
    comes back to it then."""
    with _place() as is_free:
        if not is_free:
            return
        with db.tenant_session(tenant_id) as session:
            work = _claim(session, document_id)
        if work is not None:
            faultpoint("document_claimed")
            _read(tenant_id, work)
    if work is not None:
        _read_next(tenant_id)


@contextmanager
def _place() -> Iterator[bool]:
    is_free = places.acquire(blocking=False)
    try:
        yield is_free
    finally:
        if is_free:
            places.release()


def _claim(session: Session, document_id: UUID) -> Work | None:
    if repository.is_reading(session):
        return None
    document = repository.lock_unread(session, document_id)
    if document is None:
        return None
    if document.tries >= MOST_TRIES or document.source is None:
        storing.fail(document, "interrupted")
        return None
    repository.lease(session, document, LEASE)
    return Work(
        document_id=document.id,
        bot_id=document.bot_id,
        kind=DocumentKind(document.kind),
        source=document.source,
        sha256=document.sha256,
        tries=document.tries,
    )


def _read(tenant_id: UUID, work: Work) -> None:
    try:
        chunks = _chunks_of(work)
    except Unreadable as error:
        log.info("document_unreadable", document_id=str(work.document_id), reason=error.code)
        _finish(tenant_id, work, [], error.code)
        return
    try:
        _finish(tenant_id, work, chunks)
    except Unreadable as error:
        _finish(tenant_id, work, [], error.code)


def _chunks_of(work: Work) -> list[Chunk]:
    """Raises Unreadable."""
    if work.kind is DocumentKind.PDF:
        pages = pdf.pages_of(work.source)
        return split_pages([uploads.tidy(page) for page in pages])
    # It was decoded before it was stored.
    return split(uploads.tidy(uploads.decode(work.source) or ""))


def _finish(tenant_id: UUID, work: Work, chunks: list[Chunk], error: str = "") -> None:
    """Store what was read, unless the document was deleted or changed meanwhile.

    Raises Unreadable.
    """
    with db.tenant_session(tenant_id) as session:
        repository.lock_bot(session, work.bot_id)
        document = repository.lock_processing(session, work.document_id)
        if document is None or (document.sha256, document.tries) != (work.sha256, work.tries):
            log.info("document_lost", document_id=str(work.document_id))
            return
        if error:
            storing.fail(document, error)
        else:
            storing.store(session, document, chunks)
        state = DocumentState(document.state)
    log.info("document_read", document_id=str(work.document_id), state=state)


def _read_next(tenant_id: UUID) -> None:
    """Enqueue the next document of this tenant: one is read at a time, so that a business with
    many leaves places for the others."""
    with db.tenant_session(tenant_id) as session:
        waiting = repository.next_unread(session)
    if waiting is not None:
        send(names.READ_DOCUMENT, tenant_id, waiting)
