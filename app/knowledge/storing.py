"""Storing the text of a document as chunks that the search finds."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.knowledge import repository
from app.knowledge.chunks import Chunk
from app.knowledge.errors import MOST_CHUNKS, MOST_OF_A_BOT, Unreadable
from app.knowledge.language import language_of, searchable
from app.knowledge.repository import NewChunk
from app.models import DocumentState, KnowledgeDocument, Language


def store(session: Session, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> None:
    """Make the document ready. The caller has locked its bot.

    Raises Unreadable when there is no text, or the bot would have too much.
    """
    if not any(each.isalnum() for chunk in chunks for each in chunk.text):
        raise Unreadable("no_text")
    characters = sum(len(chunk.text) for chunk in chunks)
    had = repository.counts(session, document.bot_id)
    if had.characters + characters > MOST_OF_A_BOT or had.chunks + len(chunks) > MOST_CHUNKS:
        raise Unreadable("limit_reached")
    _add(session, document, chunks)
    document.characters, document.chunks = characters, len(chunks)
    document.state, document.error = DocumentState.READY, None
    _forget_source(document)


def fail(document: KnowledgeDocument, code: str) -> None:
    """Say that the document cannot be read, by one of REASONS."""
    document.state, document.error = DocumentState.FAILED, code
    _forget_source(document)


def empty(session: Session, document: KnowledgeDocument) -> None:
    """Remove the chunks of the document."""
    repository.drop_chunks(session, document.id)
    document.characters = document.chunks = 0
    session.flush()


def rename(session: Session, document: KnowledgeDocument) -> None:
    """Find the chunks by the document's new title."""
    chunks = [Chunk(*row) for row in repository.chunks_of(session, document.id)]
    if chunks:
        repository.drop_chunks(session, document.id)
        _add(session, document, chunks)


def _forget_source(document: KnowledgeDocument) -> None:
    document.source = None
    document.lease_until = None


def _add(session: Session, document: KnowledgeDocument, chunks: Sequence[Chunk]) -> None:
    session.flush()
    language = _language(session, chunks)
    title = searchable(document.title, language)
    new = [
        NewChunk(
            heading=chunk.heading,
            text=chunk.text,
            title_words=title,
            heading_words=searchable(chunk.heading, language),
            text_words=searchable(chunk.text, language),
        )
        for chunk in chunks
    ]
    repository.add_chunks(session, document, language, new)
    repository.note_unembedded(session, document.bot_id)


def _language(session: Session, chunks: Sequence[Chunk]) -> Language:
    known = {str(each): each for each in Language}
    default = known.get(repository.language(session)[:2], Language.SPANISH)
    return language_of(" ".join(chunk.text for chunk in chunks[:50]), default)
