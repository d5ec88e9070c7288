"""Summaries of conversations, which bots keep of what was said before the messages they read."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import SCHEMA, as_owner, protect

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLE = "summaries"


@as_owner
def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name=f"pk_{TABLE}"),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            [f"{SCHEMA}.tenants.tenant_id"],
            name=f"fk_{TABLE}_tenant_id_tenants",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            [f"{SCHEMA}.conversations.tenant_id", f"{SCHEMA}.conversations.id"],
            name=f"fk_{TABLE}_tenant_id_conversation_id_conversations",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "tenant_id", "conversation_id", name=f"uq_{TABLE}_tenant_id_conversation_id"
        ),
        schema=SCHEMA,
    )
    protect(TABLE)


@as_owner
def downgrade() -> None:
    op.drop_table(TABLE, schema=SCHEMA)
