"""Knowledge: the documents of bots, and the parts of them that a bot searches and quotes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

from migrations.tenancy import SCHEMA, SYSTEM, as_owner, protect, show_columns

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

SHOWN = ("tenant_id", "id", "state", "lease_until")
"""What the scheduler reads for all tenants."""


@as_owner
def upgrade() -> None:
    _make_documents()
    _make_chunks()
    for table in ("knowledge_documents", "knowledge_chunks"):
        protect(table)
    show_columns("knowledge_documents", SYSTEM, SHOWN)
    op.add_column(
        "turns",
        sa.Column("sources", JSONB(), server_default="[]", nullable=False),
        schema=SCHEMA,
    )


@as_owner
def downgrade() -> None:
    op.drop_column("turns", "sources", schema=SCHEMA)
    for table in ("knowledge_chunks", "knowledge_documents"):
        op.drop_table(table, schema=SCHEMA)


def _make_documents() -> None:
    op.create_table(
        "knowledge_documents",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("characters", sa.Integer(), server_default="0", nullable=False),
        sa.Column("chunks", sa.Integer(), server_default="0", nullable=False),
        sa.Column("source", sa.LargeBinary(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        _moment("updated_at"),
        _moment("created_at"),
        *_keys("knowledge_documents"),
        sa.CheckConstraint(
            "kind IN ('text', 'markdown', 'pdf')", name="ck_knowledge_documents_kind"
        ),
        sa.CheckConstraint(
            "state IN ('processing', 'ready', 'failed')", name="ck_knowledge_documents_state"
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "uq_knowledge_documents_sha256",
        "knowledge_documents",
        ["tenant_id", "bot_id", "sha256"],
        unique=True,
        schema=SCHEMA,
        postgresql_where=sa.text("state <> 'failed'"),
    )
    op.create_index(
        "ix_knowledge_documents_bot_id",
        "knowledge_documents",
        ["tenant_id", "bot_id", "id"],
        schema=SCHEMA,
    )
    op.create_index(
        "ix_knowledge_documents_processing",
        "knowledge_documents",
        ["tenant_id", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'processing'"),
    )


def _make_chunks() -> None:
    op.create_table(
        "knowledge_chunks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("heading", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("words", TSVECTOR(), nullable=False),
        _moment("created_at"),
        *_keys("knowledge_chunks"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            [f"{SCHEMA}.knowledge_documents.tenant_id", f"{SCHEMA}.knowledge_documents.id"],
            name="fk_knowledge_chunks_tenant_id_document_id_knowledge_documents",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "tenant_id",
            "document_id",
            "position",
            name="uq_knowledge_chunks_tenant_id_document_id_position",
        ),
        sa.CheckConstraint(
            "language IN ('es', 'en', 'other')", name="ck_knowledge_chunks_language"
        ),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_knowledge_chunks_bot_id", "knowledge_chunks", ["tenant_id", "bot_id"], schema=SCHEMA
    )
    # A search reads the words of all chunks of a bot. Kept in the row and not compressed, they are
    # read five times as fast.
    op.execute(f"ALTER TABLE {SCHEMA}.knowledge_chunks ALTER words SET STORAGE EXTERNAL")
    op.execute(f"ALTER TABLE {SCHEMA}.knowledge_chunks SET (toast_tuple_target = 8160)")


def _moment(name: str) -> sa.Column[sa.DateTime]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _keys(
    table: str,
) -> tuple[sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint, sa.ForeignKeyConstraint]:
    """Return the primary key of the table, and its foreign keys to the tenant and to the bot."""
    return (
        sa.PrimaryKeyConstraint("tenant_id", "id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            [f"{SCHEMA}.tenants.tenant_id"],
            name=f"fk_{table}_tenant_id_tenants",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "bot_id"],
            [f"{SCHEMA}.bots.tenant_id", f"{SCHEMA}.bots.id"],
            name=f"fk_{table}_tenant_id_bot_id_bots",
            ondelete="CASCADE",
        ),
    )
