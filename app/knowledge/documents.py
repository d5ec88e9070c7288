"""Adding, changing, showing and removing the documents of a bot."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.bots.errors import BotNotFound
from app.common import audit
from app.common.caps import LimitReached
from app.common.ids import new_id
from app.common.pagination import Page, PageRequest
from app.common.principal import Principal
from app.knowledge import repository, storing
from app.knowledge.chunks import split
from app.knowledge.errors import REASONS, DocumentExists, DocumentNotFound, Unreadable
from app.knowledge.uploads import Content
from app.models import DocumentKind, DocumentState, KnowledgeDocument
from app.tasks import names
from app.tasks.ring import ring

MOST_DOCUMENTS = 200
MOST_PROCESSING = 20
"""Of a whole business: until a document is read, its bytes are kept."""

AT_ONCE = 200_000
"""Characters of a text that is read within the request, in half a second at most."""

EXCERPT = 500


@dataclass(frozen=True)
class Reason:
    code: str
    message: str


@dataclass(frozen=True)
class DocumentDetails:
    """`size` is in bytes. `error` is set for a document that is failed."""

    id: UUID
    title: str
    kind: DocumentKind
    state: DocumentState
    error: Reason | None
    size: int
    characters: int
    chunks: int
    created_at: datetime
    updated_at: datetime
    excerpt: str = ""


def list_documents(session: Session, bot_id: UUID, page: PageRequest) -> Page[DocumentDetails]:
    """Return the documents of a bot, newest first. Raises BotNotFound."""
    check_bot(session, bot_id)
    found = repository.list_page(session, bot_id, page)
    return Page([_describe(each) for each in found.items], found.next_cursor)


def get_document(session: Session, bot_id: UUID, document_id: UUID) -> DocumentDetails:
    """Return a document with the beginning of its text. Raises DocumentNotFound."""
    document = _find(session, bot_id, document_id)
    return _describe(document, repository.first_text(session, document_id)[:EXCERPT])


def add(
    session: Session, actor: Principal, bot_id: UUID, title: str, content: Content
) -> DocumentDetails:
    """Add a document; a text is read at once, unless it is long.

    Raises BotNotFound, DocumentExists, LimitReached.
    """
    _lock_bot(session, bot_id)
    _refuse_same(session, bot_id, content)
    if repository.counts(session, bot_id).documents >= MOST_DOCUMENTS:
        raise LimitReached(
            f"A bot has at most {MOST_DOCUMENTS} documents. Delete one that is not needed."
        )
    document = KnowledgeDocument(id=new_id(), bot_id=bot_id, title=title)
    _fill(session, document, content)
    return _recorded(session, actor, document, "created", {"title": title})


def change(
    session: Session,
    actor: Principal,
    bot_id: UUID,
    document_id: UUID,
    title: str | None,
    content: Content | None,
) -> DocumentDetails:
    """Give a document another title, another content, or both.

    The chunks of the former content go at once, so that a bot never quotes what was replaced.
    Raises DocumentNotFound, DocumentExists, LimitReached.
    """
    if not repository.lock_bot(session, bot_id):
        raise DocumentNotFound
    document = _find(session, bot_id, document_id)
    document.title = title or document.title
    if content is not None and _differs(document, content):
        _refuse_same(session, bot_id, content)
        storing.empty(session, document)
        _fill(session, document, content)
    elif title is not None:
        storing.rename(session, document)
    fields = [name for name, given in (("title", title), ("content", content)) if given]
    return _recorded(session, actor, document, "updated", {"fields": fields})


def remove(session: Session, actor: Principal, bot_id: UUID, document_id: UUID) -> None:
    """Delete a document with its chunks. Raises DocumentNotFound."""
    repository.lock_bot(session, bot_id)
    document = _find(session, bot_id, document_id)
    session.delete(document)
    audit.record(
        session,
        actor,
        "knowledge_document.deleted",
        ("knowledge_document", document_id),
        {"title": document.title},
    )


def check_bot(session: Session, bot_id: UUID) -> None:
    """Raises BotNotFound."""
    if not repository.has_bot(session, bot_id):
        raise BotNotFound


def _lock_bot(session: Session, bot_id: UUID) -> None:
    if not repository.lock_bot(session, bot_id):
        raise BotNotFound


def _find(session: Session, bot_id: UUID, document_id: UUID) -> KnowledgeDocument:
    found = repository.find(session, bot_id, document_id)
    if found is None:
        raise DocumentNotFound
    return found


def _refuse_same(session: Session, bot_id: UUID, content: Content) -> None:
    same = repository.find_same(session, bot_id, content.sha256)
    if same is not None:
        raise DocumentExists(details={"document_id": str(same)})


def _differs(document: KnowledgeDocument, content: Content) -> bool:
    """Return whether to read this content: what failed is read again."""
    return content.sha256 != document.sha256 or document.state == DocumentState.FAILED


def _fill(session: Session, document: KnowledgeDocument, content: Content) -> None:
    """Give the document its content: at once, or by a worker. Raises LimitReached."""
    document.kind, document.size = content.kind, len(content.raw)
    document.sha256 = content.sha256
    document.state, document.error = DocumentState.PROCESSING, None
    document.tries, document.lease_until = 0, None
    session.add(document)
    if content.text is not None and len(content.text) <= AT_ONCE:
        session.flush()
        try:
            storing.store(session, document, split(content.text))
        except Unreadable as error:
            raise LimitReached(REASONS[error.code]) from error
        return
    if repository.count_processing(session, but=document.id) >= MOST_PROCESSING:
        raise LimitReached(
            f"{MOST_PROCESSING} documents are being read already. Wait until one is ready."
        )
    document.source = content.raw
    session.flush()
    ring(session, names.READ_DOCUMENT, document.tenant_id, document.id)


def _recorded(
    session: Session,
    actor: Principal,
    document: KnowledgeDocument,
    what: str,
    changes: dict[str, Any],
) -> DocumentDetails:
    session.flush()
    session.refresh(document)
    subject = ("knowledge_document", document.id)
    audit.record(session, actor, f"knowledge_document.{what}", subject, changes)
    return _describe(document)


def _describe(document: KnowledgeDocument, excerpt: str = "") -> DocumentDetails:
    code = document.error
    return DocumentDetails(
        id=document.id,
        title=document.title,
        kind=DocumentKind(document.kind),
        state=DocumentState(document.state),
        error=Reason(code, REASONS[code]) if code else None,
        size=document.size,
        characters=document.characters,
        chunks=document.chunks,
        created_at=document.created_at,
        updated_at=document.updated_at,
        excerpt=excerpt,
    )
