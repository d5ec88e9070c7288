"""A bot that searches its documents by their meaning, with simulated embeddings.

The simulator's vectors count words, and words of one topic as one: "pedido", "compra" and "paquete"
are near each other, and share no word.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import create_engine, pool, text

from app import db
from app.bots import due, embedding_documents
from app.config import Settings
from app.db import normalise_url
from app.knowledge import vectors_repository
from app.tasks.due import FIRST
from tests.bots.bodies import path_of
from tests.bots.studio import MODEL_KEY, Studio, bot_id
from tests.factories import ApiClient

QUESTION = "¿y mi paquete?"
ANSWER = "Compras: llegan el lunes."
"""Near to QUESTION, without a word of it."""

OTHER = "Los gatos duermen mucho."


def teach(api: ApiClient, bot: dict[str, Any], words: str, title: str = "Avisos") -> dict[str, Any]:
    added = api.post(f"{path_of(bot)}/knowledge", {"title": title, "text": words})
    assert added.status_code == 201, added.text
    made: dict[str, Any] = added.json["data"]
    return made


def embed_all(tenant_id: UUID) -> None:
    """Do all that waits, as workers would."""
    while embedding_documents.step(tenant_id):
        pass


def learned(studio: Studio, *documents: str) -> None:
    """Let the bot search by meaning in these documents."""
    studio.change(searches_by_meaning=True)
    for number, words in enumerate(documents):
        teach(studio.api, studio.bot, words, f"Aviso {number}")
    embed_all(studio.api.tenant_id)


def found(studio: Studio, question: str = QUESTION, bot: dict[str, Any] | None = None) -> list[str]:
    """Return the texts that the search shows."""
    path = f"{path_of(bot or studio.bot)}/knowledge/search"
    answer = studio.api.get(path, query={"q": question})
    assert answer.status_code == 200, answer.text
    return [each["text"] for each in answer.json["data"]]


def embedded(studio: Studio) -> list[Any]:
    """Return the inputs of the requests for embeddings."""
    path = f"/openai/log?key={MODEL_KEY}&endpoint=embeddings"
    items = studio.simulator.control("GET", path)["items"]
    return [item["body"]["input"] for item in items]


def vectors(studio: Studio) -> dict[str, str]:
    """Return text → the model that made the vector, of all chunks that have one."""
    query = text(
        "select c.text, e.model from recado.knowledge_embeddings e"
        " join recado.knowledge_chunks c on c.id = e.chunk_id where e.vector is not null"
    )
    with db.tenant_session(studio.api.tenant_id) as session:
        return {row.text: row.model for row in session.execute(query)}


def waits(studio: Studio) -> Any:
    """Return what is stored of the bot's embeddings; `seconds` until the next try."""
    query = text(
        "select embedded_by, embed_tries, updated_at,"
        " extract(epoch from embed_at - now())::float as seconds from recado.bots where id = :id"
    )
    with db.tenant_session(studio.api.tenant_id) as session:
        return session.execute(query, {"id": bot_id(studio)}).one()


def let_time_pass(studio: Studio) -> None:
    """As when the time of the next try has come."""
    with db.tenant_session(studio.api.tenant_id) as session:
        session.execute(
            text("update recado.bots set embed_at = now() - interval '1 s' where embed_at > now()")
        )


def is_due(tenant_id: UUID) -> bool:
    """Return whether the scheduler finds something to do for this tenant."""
    kind = next(each for each in due.DUE if each.name == "embeddings")
    given = {"most": 10_000, "after_tenant_id": FIRST, **kind.parameters()}
    with db.system_session() as session:
        rows = session.execute(kind.query, given).all()
    rings = [ring for row in rows for ring in kind.rings(row)]
    return [ring[1] for ring in rings].count(tenant_id) == 1


@contextmanager
def without_extension(settings: Settings) -> Iterator[None]:
    """Let the service have no pgvector: it may not use the schema of the extension."""
    engine = create_engine(
        normalise_url(settings.database_url), poolclass=pool.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text("revoke usage on schema extensions from recado_app"))
        try:
            yield
        finally:
            connection.execute(text("grant usage on schema extensions to recado_app"))


def nearest(tenant_id: UUID, bot: UUID, vector: tuple[float, ...], model: str) -> list[str]:
    with db.tenant_session(tenant_id) as session:
        rows = vectors_repository.nearest(session, bot, model, vector, 8)
    return [row.text for row in rows]
