"""Embeddings: vectors of the chunks of documents, by which a bot finds passages by their meaning.

The vectors are plain arrays. Comparing them takes the extension pgvector. It is created where the
server has it and the login may do that; everything else works without it, and it may be created at
any time.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, REAL

from migrations.tenancy import APP, SCHEMA, SYSTEM, as_owner, hide_columns, protect, show_columns

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

SHOWN = ("tenant_id", "id", "searches_by_meaning", "embedded_by", "embed_at")
"""What the scheduler reads for all tenants."""

CREATE_EXTENSION = f"""
DO $$
DECLARE
    place text := CASE WHEN to_regnamespace('extensions') IS NULL THEN 'public'
        ELSE 'extensions' END;
BEGIN
    IF EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector') THEN
        EXECUTE format('CREATE EXTENSION IF NOT EXISTS vector SCHEMA %I', place);
    END IF;
    SELECT n.nspname INTO place FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE e.extname = 'vector';
    IF FOUND AND NOT has_schema_privilege('{APP}', place, 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO {APP}', place);
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'bots search by words only: %', SQLERRM;
END $$
"""  # noqa: S608 (our own names)
"""An error is no reason to stop, whichever it is: nothing depends on the extension. Supabase keeps
extensions in a schema of their own, which not every role may use."""


def upgrade() -> None:
    op.execute(CREATE_EXTENSION)
    _make_tables()


@as_owner
def _make_tables() -> None:
    for column in (
        sa.Column("searches_by_meaning", sa.Boolean(), server_default="false", nullable=False),
        sa.Column("embedded_by", sa.Text(), nullable=True),
        sa.Column("embed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("embed_tries", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column("bots", column, schema=SCHEMA)
    op.create_index(
        "ix_bots_searches_by_meaning",
        "bots",
        ["tenant_id", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("searches_by_meaning"),
    )
    show_columns("bots", SYSTEM, SHOWN)
    op.create_table(
        "knowledge_embeddings",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("chunk_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("vector", ARRAY(REAL()), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "chunk_id", name="pk_knowledge_embeddings"),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            [f"{SCHEMA}.tenants.tenant_id"],
            name="fk_knowledge_embeddings_tenant_id_tenants",
            ondelete="CASCADE",
        ),
        _part_of("bots", "bot_id"),
        _part_of("knowledge_chunks", "chunk_id"),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_knowledge_embeddings_bot_id",
        "knowledge_embeddings",
        ["tenant_id", "bot_id"],
        schema=SCHEMA,
    )
    # A search reads all vectors of a bot. Kept in the row and not compressed, they are read several
    # times as fast.
    op.execute(f"ALTER TABLE {SCHEMA}.knowledge_embeddings ALTER vector SET STORAGE EXTERNAL")
    op.execute(f"ALTER TABLE {SCHEMA}.knowledge_embeddings SET (toast_tuple_target = 8160)")
    protect("knowledge_embeddings")


def _part_of(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{SCHEMA}.{table}.tenant_id", f"{SCHEMA}.{table}.id"],
        name=f"fk_knowledge_embeddings_tenant_id_{column}_{table}",
        ondelete="CASCADE",
    )


@as_owner
def downgrade() -> None:
    """The extension stays: something else may use it by now."""
    op.drop_table("knowledge_embeddings", schema=SCHEMA)
    hide_columns("bots", SYSTEM, SHOWN)
    op.drop_index("ix_bots_searches_by_meaning", "bots", schema=SCHEMA)
    for column in ("embed_tries", "embed_at", "embedded_by", "searches_by_meaning"):
        op.drop_column("bots", column, schema=SCHEMA)
