from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, REAL, TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import (
    Base,
    TenantScoped,
    belongs_to_tenant,
    one_of,
    pinned_tenant,
    refers_to,
)


class DocumentKind(StrEnum):
    TEXT = "text"
    MARKDOWN = "markdown"
    PDF = "pdf"


class DocumentState(StrEnum):
    """PROCESSING: a worker will read it. FAILED: it cannot be read; `error` says why."""

    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class Language(StrEnum):
    """By whose rules the words of a text are reduced to their stems. OTHER: by none."""

    SPANISH = "es"
    ENGLISH = "en"
    OTHER = "other"


class KnowledgeDocument(TenantScoped):
    """A text of a business that its bot may quote.

    `size` is in bytes and `sha256` of the bytes as they came. `source` holds them until a worker
    has read them. `characters` and `chunks` count what was read. `tries` counts how often a worker
    began, each time under a lease; a worker that finds another number than its own has lost the
    document.
    """

    __tablename__ = "knowledge_documents"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("bots", "bot_id", "CASCADE"),
        one_of("kind", DocumentKind),
        one_of("state", DocumentState),
        # The same document is stored once. One that could not be read may be tried again.
        Index(
            "uq_knowledge_documents_sha256",
            "tenant_id",
            "bot_id",
            "sha256",
            unique=True,
            postgresql_where=text("state <> 'failed'"),
        ),
        # The list of a bot's documents, and their counts.
        Index("ix_knowledge_documents_bot_id", "tenant_id", "bot_id", "id"),
        # What is to be read.
        Index(
            "ix_knowledge_documents_processing",
            "tenant_id",
            "id",
            postgresql_where=text("state = 'processing'"),
        ),
    )

    bot_id: Mapped[UUID]
    title: Mapped[str]
    kind: Mapped[str]
    size: Mapped[int]
    sha256: Mapped[bytes]
    state: Mapped[str] = mapped_column(default=DocumentState.PROCESSING)
    error: Mapped[str | None]
    characters: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    chunks: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    source: Mapped[bytes | None] = mapped_column(deferred=True, deferred_raiseload=True)
    tries: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    lease_until: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())


class KnowledgeChunk(TenantScoped):
    """A part of a document, as a bot quotes it.

    `heading` is the path of headings above it, or the page. `words` are the stems of title,
    heading and text, by the rules of `language`.
    """

    __tablename__ = "knowledge_chunks"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("bots", "bot_id", "CASCADE"),
        refers_to("knowledge_documents", "document_id", "CASCADE"),
        one_of("language", Language),
        UniqueConstraint("tenant_id", "document_id", "position"),
        # The search, which reads all chunks of a bot.
        Index("ix_knowledge_chunks_bot_id", "tenant_id", "bot_id"),
    )

    bot_id: Mapped[UUID]
    document_id: Mapped[UUID]
    position: Mapped[int]
    language: Mapped[str]
    heading: Mapped[str]
    text: Mapped[str]
    words: Mapped[str] = mapped_column(TSVECTOR, deferred=True, deferred_raiseload=True)


class KnowledgeEmbedding(Base):
    """What a chunk means, as a vector that `model` made. Vectors of one model can be compared.

    `vector` is None if the model's server refused the text of this chunk, which is then found by
    its words only. It is an array of numbers and not a type of the extension pgvector, so that a
    backup can be restored where the extension is missing. It is in a table of its own, because the
    search by words reads all chunks of a bot and needs no vectors.
    """

    __tablename__ = "knowledge_embeddings"
    __table_args__ = (
        belongs_to_tenant(),
        refers_to("bots", "bot_id", "CASCADE"),
        refers_to("knowledge_chunks", "chunk_id", "CASCADE"),
        # The search, which reads all vectors of a bot.
        Index("ix_knowledge_embeddings_bot_id", "tenant_id", "bot_id"),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True, default=pinned_tenant)
    chunk_id: Mapped[UUID] = mapped_column(primary_key=True)
    bot_id: Mapped[UUID]
    model: Mapped[str]
    vector: Mapped[list[float] | None] = mapped_column(
        ARRAY(REAL), deferred=True, deferred_raiseload=True
    )
