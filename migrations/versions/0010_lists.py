"""Lists in chronological order, text search, and clean-up by indexes that begin with the tenant.

While the indexes are built, their tables cannot be written, and most of them cannot be read. On a
large installation, run this migration in a quiet hour. The worker writes the search blocks later.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.search import drop_search, make_search
from migrations.tenancy import RESOLVER, SCHEMA, SYSTEM, as_owner, protect, show_columns

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

TENDED = "autovacuum_analyze_scale_factor = 0.02, autovacuum_vacuum_scale_factor = 0.05"
"""Vacuum and analyze more often than by default. Each message is updated about six times, and the
planner needs current statistics of a growing tenant. With ten million rows, the default shares of
changed rows (20 % and 10 %) are too high."""

AT = sa.text("greatest(created_at, due_at)")
IS_FINISHED = sa.text("status not in ('queued', 'sending', 'uncertain')")
MESSAGE_LISTS = {
    "ix_messages_conversation_id_at": (["tenant_id", "conversation_id", AT, "id"], None),
    "ix_messages_at": (["tenant_id", AT, "id"], None),
    "ix_messages_status_at": (["tenant_id", "status", AT, "id"], IS_FINISHED),
}
FINISHED_ITEMS = sa.text("state in ('applied', 'ignored')")
EXPIRING = ("idempotency_keys", "user_sessions", "refresh_tokens")
FOUND = ("tenant_id", "words", "since_at", "since_id", "until_at", "until_id")


@as_owner
def upgrade() -> None:
    op.execute(f"ALTER TABLE {SCHEMA}.messages ALTER created_at SET DEFAULT clock_timestamp()")
    op.execute(f"ALTER TABLE {SCHEMA}.messages SET ({TENDED})")
    op.drop_index("ix_messages_conversation_id_id", "messages", schema=SCHEMA)
    for name, (columns, where) in MESSAGE_LISTS.items():
        op.create_index(name, "messages", columns, schema=SCHEMA, postgresql_where=where)
    op.create_index(
        "ix_conversations_of_people",
        "conversations",
        ["tenant_id", "last_message_at", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("owner = 'human'"),
    )
    op.execute(f"GRANT SELECT (created_at) ON {SCHEMA}.messages TO {SYSTEM}")
    _index_clean_up(tenant_first=True)
    _make_blocks()
    make_search()


@as_owner
def downgrade() -> None:
    drop_search()
    op.drop_table("search_blocks", schema=SCHEMA)
    _index_clean_up(tenant_first=False)
    op.execute(f"REVOKE SELECT (created_at) ON {SCHEMA}.messages FROM {SYSTEM}")  # noqa: S608 (ours)
    op.drop_index("ix_conversations_of_people", "conversations", schema=SCHEMA)
    for name in MESSAGE_LISTS:
        op.drop_index(name, "messages", schema=SCHEMA)
    op.create_index(
        "ix_messages_conversation_id_id",
        "messages",
        ["tenant_id", "conversation_id", "id"],
        schema=SCHEMA,
    )
    op.execute(
        f"ALTER TABLE {SCHEMA}.messages"
        " RESET (autovacuum_analyze_scale_factor, autovacuum_vacuum_scale_factor)"
    )
    op.execute(f"ALTER TABLE {SCHEMA}.messages ALTER created_at SET DEFAULT now()")


def _index_clean_up(*, tenant_first: bool) -> None:
    """Rebuild the indexes that find expired rows, with the tenant as first or last column."""
    for table, moment, where in (
        *((table, "expires_at", None) for table in EXPIRING),
        ("inbox_items", "finished_at", FINISHED_ITEMS),
    ):
        name = f"ix_{table}_{moment}"
        columns = ["tenant_id", moment] if tenant_first else [moment, "tenant_id"]
        op.drop_index(name, table, schema=SCHEMA)
        op.create_index(name, table, columns, schema=SCHEMA, postgresql_where=where)


def _make_blocks() -> None:
    op.create_table(
        "search_blocks",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("since_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("since_id", sa.Uuid(), nullable=False),
        sa.Column("until_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until_id", sa.Uuid(), nullable=False),
        sa.Column("is_late", sa.Boolean(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            [f"{SCHEMA}.tenants.tenant_id"],
            name=op.f("fk_search_blocks_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=op.f("pk_search_blocks")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_search_blocks_words",
        "search_blocks",
        ["words"],
        schema=SCHEMA,
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_index(
        "ix_search_blocks_until",
        "search_blocks",
        ["tenant_id", "until_at", "until_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("not is_late"),
    )
    protect("search_blocks")
    show_columns("search_blocks", RESOLVER, FOUND)
