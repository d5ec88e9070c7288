"""Queries about embeddings, the vectors of chunks. They are compared by the extension pgvector."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from app import db
from app.ai.embedding import Vector

_HAS_EXTENSION = text("""
    select exists (
        select from pg_catalog.pg_extension
        where extname = 'vector' and has_schema_privilege(extnamespace, 'USAGE')
    )
""")


def has_extension(session: Session) -> bool:
    """Return whether the database can compare vectors."""
    return bool(session.scalar(_HAS_EXTENSION))


_HAS_VECTORS = text("""
    select exists (
        select from recado.knowledge_embeddings
        where tenant_id = :tenant_id and bot_id = :bot_id and model = :model
    )
""")


def has_vectors(session: Session, bot_id: UUID, model: str) -> bool:
    return bool(session.scalar(_HAS_VECTORS, _of(session, bot_id, model)))


_WITHOUT = text("""
    select c.id, d.title, c.heading, c.text
    from recado.knowledge_chunks c
    join recado.knowledge_documents d on d.tenant_id = :tenant_id and d.id = c.document_id
    where c.tenant_id = :tenant_id and c.bot_id = :bot_id and not exists (
        select from recado.knowledge_embeddings e
        where e.tenant_id = :tenant_id and e.chunk_id = c.id and e.model = :model
    )
    order by c.id limit :most
""")


def without_vectors(
    session: Session, bot_id: UUID, model: str, most: int
) -> Sequence[Row[UUID, str, str, str]]:
    """Return (id, title, heading, text) of chunks of which this model has not made vectors."""
    return session.execute(_WITHOUT, {**_of(session, bot_id, model), "most": most}).all()


_STORE = text("""
    insert into recado.knowledge_embeddings (tenant_id, chunk_id, bot_id, model, vector)
    select c.tenant_id, c.id, c.bot_id, :model, cast(made.vector as real[])
    from unnest(cast(:ids as uuid[]), cast(:vectors as text[])) as made (id, vector)
    join recado.knowledge_chunks c
        on c.tenant_id = :tenant_id and c.bot_id = :bot_id and c.id = made.id
    on conflict (tenant_id, chunk_id)
        do update set model = excluded.model, vector = excluded.vector
""")


def store(
    session: Session, bot_id: UUID, model: str, vectors: Mapping[UUID, Vector | None]
) -> None:
    """Store the vectors of those of these chunks that still exist. None: the chunk gets none."""
    given = {
        **_of(session, bot_id, model),
        "ids": [str(chunk_id) for chunk_id in vectors],
        "vectors": [None if each is None else _written(each) for each in vectors.values()],
    }
    session.execute(_STORE, given)


def _written(vector: Vector) -> str:
    """Return the vector as Postgres writes an array."""
    return "{" + ",".join(map(repr, vector)) + "}"


_USE_EXTENSION = text("""
    select set_config('search_path', quote_ident(n.nspname), true)
    from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'vector' and has_schema_privilege(n.oid, 'USAGE')
""")
"""The schema of the extension differs between servers. Let this transaction look for names there,
so that the query that compares is a fixed text. Postgres looks in pg_catalog before."""

_NEAREST = text("""
    with near as materialized (
        select e.chunk_id, e.vector::vector <=> cast(:vector as real[])::vector as distance
        from recado.knowledge_embeddings e
        where e.tenant_id = :tenant_id and e.bot_id = :bot_id and e.model = :model
            and e.vector is not null
        order by distance, e.chunk_id limit :most
    )
    select 1 - near.distance as score, c.id, c.document_id, d.title, c.heading, c.position, c.text
    from near
    join recado.knowledge_chunks c on c.tenant_id = :tenant_id and c.id = near.chunk_id
    join recado.knowledge_documents d on d.tenant_id = :tenant_id and d.id = c.document_id
    order by near.distance, c.id
""")


def nearest(
    session: Session, bot_id: UUID, model: str, vector: Vector, most: int
) -> Sequence[Row[float, UUID, UUID, str, str, int, str]]:
    """Return (cosine, id, document_id, title, heading, position, text) of the nearest chunks, none
    without the extension.

    All vectors of the bot are compared. Call this last in a transaction, whose search path changes.
    """
    if session.scalar(_USE_EXTENSION) is None:
        return []
    given = {**_of(session, bot_id, model), "vector": list(vector), "most": most}
    return session.execute(_NEAREST, given).all()


def _of(session: Session, bot_id: UUID, model: str) -> dict[str, Any]:
    return {"tenant_id": db.tenant_of(session), "bot_id": bot_id, "model": model}
