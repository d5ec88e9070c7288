"""Turns: the answers of bots, due, in progress and recorded."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.tenancy import SCHEMA, SYSTEM, as_owner, protect, show_columns

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

SHOWN = ("tenant_id", "conversation_id", "state", "due_at", "lease_until", "finished_at")
"""What the scheduler and the clean-up read for all tenants."""


@as_owner
def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "turns",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("armed_at", moment, server_default=sa.func.now(), nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("lease_until", moment, nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("replaced", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner_fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("model", sa.Text(), server_default="", nullable=False),
        sa.Column("message_ids", JSONB(), server_default="[]", nullable=False),
        sa.Column("calls", JSONB(), server_default="[]", nullable=False),
        sa.Column("usage", JSONB(), server_default="{}", nullable=False),
        sa.Column("cost", sa.Numeric(14, 8), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("reply_id", sa.Uuid(), nullable=True),
        sa.Column("milliseconds", sa.Integer(), nullable=True),
        sa.Column("started_at", moment, nullable=True),
        sa.Column("finished_at", moment, nullable=True),
        sa.Column("created_at", moment, server_default=sa.func.now(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_turns"),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            [f"{SCHEMA}.tenants.tenant_id"],
            name="fk_turns_tenant_id_tenants",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            [f"{SCHEMA}.conversations.tenant_id", f"{SCHEMA}.conversations.id"],
            name="fk_turns_tenant_id_conversation_id_conversations",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "bot_id"],
            [f"{SCHEMA}.bots.tenant_id", f"{SCHEMA}.bots.id"],
            name="fk_turns_tenant_id_bot_id_bots",
            ondelete="SET NULL (bot_id)",
        ),
        sa.CheckConstraint("state IN ('armed', 'running', 'finished')", name="ck_turns_state"),
        schema=SCHEMA,
    )
    for state in ("armed", "running"):
        op.create_index(
            f"uq_turns_{state}",
            "turns",
            ["tenant_id", "conversation_id"],
            unique=True,
            schema=SCHEMA,
            postgresql_where=sa.text(f"state = '{state}'"),
        )
    op.create_index(
        "ix_turns_conversation_id", "turns", ["tenant_id", "conversation_id", "id"], schema=SCHEMA
    )
    op.create_index("ix_turns_finished_at", "turns", ["tenant_id", "finished_at"], schema=SCHEMA)
    op.create_index("ix_turns_bot_id", "turns", ["tenant_id", "bot_id"], schema=SCHEMA)
    op.add_column("conversations", sa.Column("history_from", moment), schema=SCHEMA)
    is_enabled = sa.Column("is_enabled", sa.Boolean(), server_default=sa.true(), nullable=False)
    op.add_column("bots", is_enabled, schema=SCHEMA)
    protect("turns")
    show_columns("turns", SYSTEM, SHOWN)


@as_owner
def downgrade() -> None:
    op.drop_table("turns", schema=SCHEMA)
    op.drop_column("bots", "is_enabled", schema=SCHEMA)
    op.drop_column("conversations", "history_from", schema=SCHEMA)
