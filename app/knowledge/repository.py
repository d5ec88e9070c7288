"""Queries about the documents of bots, and their chunks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, or_, select, text, update
from sqlalchemy.orm import Session, undefer

from app import db
from app.common.ids import new_id
from app.common.pagination import Page, PageRequest, fetch_page
from app.models import (
    Bot,
    DocumentState,
    KnowledgeChunk,
    KnowledgeDocument,
    Language,
    Tenant,
)

CONFIGURATIONS = {
    Language.SPANISH: "pg_catalog.spanish",
    Language.ENGLISH: "pg_catalog.english",
    Language.OTHER: "pg_catalog.simple",
}
"""Language → the text search configuration of Postgres that knows its stems."""


@dataclass(frozen=True)
class NewChunk:
    """A chunk to store. What ends in `_words` is searched, the rest is quoted."""

    heading: str
    text: str
    title_words: str
    heading_words: str
    text_words: str


@dataclass(frozen=True)
class Counts:
    """How much a bot has. A document that is not ready has neither characters nor chunks."""

    documents: int
    characters: int
    chunks: int


def lock_bot(session: Session, bot_id: UUID) -> bool:
    """Let one transaction at a time change the documents of a bot; return whether it exists."""
    query = select(Bot.id).where(Bot.id == bot_id).with_for_update(key_share=True)
    return session.scalar(query) is not None


def has_bot(session: Session, bot_id: UUID) -> bool:
    return session.scalar(select(Bot.id).where(Bot.id == bot_id)) is not None


def language(session: Session) -> str:
    """Return the language of the tenant."""
    return session.scalars(select(Tenant.language)).one()


def find(session: Session, bot_id: UUID, document_id: UUID) -> KnowledgeDocument | None:
    query = select(KnowledgeDocument).where(
        KnowledgeDocument.id == document_id, KnowledgeDocument.bot_id == bot_id
    )
    return session.scalars(query).one_or_none()


def find_same(session: Session, bot_id: UUID, sha256: bytes) -> UUID | None:
    """Return the document of this bot with the same bytes."""
    query = select(KnowledgeDocument.id).where(
        KnowledgeDocument.bot_id == bot_id,
        KnowledgeDocument.sha256 == sha256,
        KnowledgeDocument.state != DocumentState.FAILED,
    )
    return session.scalar(query)


def list_page(session: Session, bot_id: UUID, page: PageRequest) -> Page[KnowledgeDocument]:
    query = select(KnowledgeDocument).where(KnowledgeDocument.bot_id == bot_id)
    return fetch_page(session, query, [KnowledgeDocument.id], page)


def first_text(session: Session, document_id: UUID) -> str:
    """Return the text of the first chunk."""
    query = select(KnowledgeChunk.text).where(
        KnowledgeChunk.document_id == document_id, KnowledgeChunk.position == 1
    )
    return session.scalar(query) or ""


def counts(session: Session, bot_id: UUID) -> Counts:
    query = select(
        func.count(),
        func.coalesce(func.sum(KnowledgeDocument.characters), 0),
        func.coalesce(func.sum(KnowledgeDocument.chunks), 0),
    ).where(KnowledgeDocument.bot_id == bot_id)
    return Counts(*session.execute(query).one())


def count_processing(session: Session, *, but: UUID) -> int:
    """Return how many documents of the tenant are still to be read, in addition to `but`."""
    query = select(func.count()).where(
        KnowledgeDocument.state == DocumentState.PROCESSING, KnowledgeDocument.id != but
    )
    return session.scalar(query) or 0


def lock_processing(session: Session, document_id: UUID) -> KnowledgeDocument | None:
    """Lock a document that is to be read."""
    query = (
        select(KnowledgeDocument)
        .where(
            KnowledgeDocument.id == document_id,
            KnowledgeDocument.state == DocumentState.PROCESSING,
        )
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return session.scalars(query).one_or_none()


def lock_unread(session: Session, document_id: UUID) -> KnowledgeDocument | None:
    """Lock a document that is to be read and that no worker has, together with its source."""
    query = (
        select(KnowledgeDocument)
        .where(
            KnowledgeDocument.id == document_id,
            KnowledgeDocument.state == DocumentState.PROCESSING,
            or_(
                KnowledgeDocument.lease_until.is_(None),
                KnowledgeDocument.lease_until <= func.now(),
            ),
        )
        .with_for_update(skip_locked=True)
        .options(undefer(KnowledgeDocument.source))
    )
    return session.scalars(query).one_or_none()


def is_reading(session: Session) -> bool:
    """Return whether a worker reads a document of the tenant now."""
    query = select(KnowledgeDocument.id).where(
        KnowledgeDocument.state == DocumentState.PROCESSING,
        KnowledgeDocument.lease_until > func.now(),
    )
    return session.execute(query).first() is not None


def next_unread(session: Session) -> UUID | None:
    """Return the oldest document of the tenant that is to be read and that no worker has."""
    query = (
        select(KnowledgeDocument.id)
        .where(
            KnowledgeDocument.state == DocumentState.PROCESSING,
            KnowledgeDocument.lease_until.is_(None),
        )
        .order_by(KnowledgeDocument.id)
        .limit(1)
    )
    return session.scalar(query)


def lease(session: Session, document: KnowledgeDocument, time: timedelta) -> None:
    """Give the document to the worker of this transaction."""
    document.tries += 1
    session.execute(
        update(KnowledgeDocument)
        .where(KnowledgeDocument.id == document.id)
        .values(tries=document.tries, lease_until=func.now() + time)
        .execution_options(synchronize_session=False)
    )


def drop_chunks(session: Session, document_id: UUID) -> None:
    session.execute(
        delete(KnowledgeChunk)
        .where(KnowledgeChunk.document_id == document_id)
        .execution_options(synchronize_session=False)
    )


def chunks_of(session: Session, document_id: UUID) -> Sequence[Row[str, str]]:
    """Return (heading, text) in their order."""
    query = (
        select(KnowledgeChunk.heading, KnowledgeChunk.text)
        .where(KnowledgeChunk.document_id == document_id)
        .order_by(KnowledgeChunk.position)
    )
    return session.execute(query).all()


_ADD_CHUNKS = text("""
    insert into recado.knowledge_chunks
        (tenant_id, id, bot_id, document_id, position, language, heading, text, words)
    select :tenant_id, new.id, :bot_id, :document_id, new.position, :language, new.heading,
        new.text,
        setweight(to_tsvector(cast(:configuration as regconfig), new.heading_words), 'A')
        || setweight(to_tsvector(cast(:configuration as regconfig), new.title_words), 'B')
        || to_tsvector(cast(:configuration as regconfig), new.text_words)
    from unnest(
        cast(:ids as uuid[]), cast(:headings as text[]), cast(:texts as text[]),
        cast(:title_words as text[]), cast(:heading_words as text[]), cast(:text_words as text[])
    ) with ordinality
        as new (id, heading, text, title_words, heading_words, text_words, position)
""")


def add_chunks(
    session: Session,
    document: KnowledgeDocument,
    language: Language,
    chunks: Sequence[NewChunk],
) -> None:
    """Store the chunks of a document in one statement; a document may have thousands."""
    given: dict[str, Any] = {
        "tenant_id": db.tenant_of(session),
        "bot_id": document.bot_id,
        "document_id": document.id,
        "language": str(language),
        "configuration": CONFIGURATIONS[language],
        "ids": [str(new_id()) for _ in chunks],
        "headings": [each.heading for each in chunks],
        "texts": [each.text for each in chunks],
        "title_words": [each.title_words for each in chunks],
        "heading_words": [each.heading_words for each in chunks],
        "text_words": [each.text_words for each in chunks],
    }
    session.execute(_ADD_CHUNKS, given)


_NOTE_UNEMBEDDED = text("""
    update recado.bots set embedded_by = null
    where tenant_id = :tenant_id and id = :bot_id and searches_by_meaning
""")


def note_unembedded(session: Session, bot_id: UUID) -> None:
    """Let the scheduler find a bot that needs embeddings of new chunks. It stays at its next try:
    new documents are no reason to ask a server again that was away."""
    given = {"tenant_id": db.tenant_of(session), "bot_id": bot_id}
    session.execute(_NOTE_UNEMBEDDED, given)


_SEARCH = text("""
    with term as materialized (
        select word, weight,
            plainto_tsquery('pg_catalog.spanish', spanish) as spanish,
            plainto_tsquery('pg_catalog.english', word) as english,
            plainto_tsquery('pg_catalog.simple', word) as plain
        from unnest(
            cast(:words as text[]), cast(:spanish as text[]), cast(:weights as float8[])
        ) as asked (word, spanish, weight)
    ), whole as (
        select count(*) as chunks from recado.knowledge_chunks
        where tenant_id = :tenant_id and bot_id = :bot_id
    ), hit as materialized (
        select c.id, t.word, t.weight,
            ts_rank(cast(:ranks as float4[]), c.words, form.query) as rank
        from recado.knowledge_chunks c cross join term t cross join lateral (
            select case c.language
                when 'es' then t.spanish when 'en' then t.english else t.plain
            end as query
        ) as form
        where c.tenant_id = :tenant_id and c.bot_id = :bot_id and c.words @@ form.query
    ), rarity as (
        select word, weight * ln(
            1 + (max(whole.chunks) - count(*) + 0.5)::float8 / (count(*) + 0.5)
        ) as value
        from hit cross join whole group by word, weight
    ), best as (
        select hit.id, sum(hit.rank * rarity.value) as score
        from hit join rarity using (word)
        group by hit.id order by score desc, hit.id limit :most
    )
    select best.score, c.id, c.document_id, d.title, c.heading, c.position, c.text
    from best
    join recado.knowledge_chunks c on c.tenant_id = :tenant_id and c.id = best.id
    join recado.knowledge_documents d on d.tenant_id = :tenant_id and d.id = c.document_id
    order by best.score desc, c.id
""")
"""The chunks of a bot that have at least one of the words, the best first.

A word counts the more, the fewer of the bot's chunks have it (as in BM25), and more in a heading
than in the text. Postgres' own ranking knows nothing of how rare a word is.
"""

RANKS = (0.5, 0.5, 0.7, 1.0)
"""Weights of a word in the text, and (third and fourth) in the title and in the heading."""


def search(
    session: Session, bot_id: UUID, words: Mapping[str, tuple[str, float]], most: int
) -> Sequence[Row[float, UUID, UUID, str, str, int, str]]:
    """Return (score, id, document_id, title, heading, position, text) of the best chunks.

    `words`: word → how Spanish spells it for the search, and its weight.
    """
    given: dict[str, Any] = {
        # As a value, so that the planner knows it when it chooses an index.
        "tenant_id": db.tenant_of(session),
        "bot_id": bot_id,
        "words": list(words),
        "spanish": [spanish for spanish, _ in words.values()],
        "weights": [weight for _, weight in words.values()],
        "ranks": list(RANKS),
        "most": most,
    }
    return session.execute(_SEARCH, given).all()
