"""Who answers a conversation: since when, why, and which person."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import SCHEMA, SYSTEM, as_owner, hide_columns, show_columns

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

FOREIGN_KEY = "fk_conversations_tenant_id_assigned_to_users"
SHOWN = ("tenant_id", "owner", "last_message_at", "owner_since")
"""What the scheduler reads for all tenants: which conversations people have left idle."""


def columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("owner_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("owner_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("owner_fence", sa.Integer(), server_default="0", nullable=False),
        sa.Column("assigned_to", sa.Uuid(), nullable=True),
    ]


@as_owner
def upgrade() -> None:
    for column in columns():
        op.add_column("conversations", column, schema=SCHEMA)
    op.execute(
        f"ALTER TABLE {SCHEMA}.conversations ADD CONSTRAINT {FOREIGN_KEY}"
        f" FOREIGN KEY (tenant_id, assigned_to) REFERENCES {SCHEMA}.users (tenant_id, id)"
        " ON DELETE SET NULL (assigned_to)"
    )
    op.create_index(
        "ix_conversations_assigned_to",
        "conversations",
        ["tenant_id", "assigned_to"],
        schema=SCHEMA,
        postgresql_where=sa.text("assigned_to is not null"),
    )
    show_columns("conversations", SYSTEM, SHOWN)


@as_owner
def downgrade() -> None:
    hide_columns("conversations", SYSTEM, SHOWN)
    for column in columns():
        op.drop_column("conversations", column.name, schema=SCHEMA)
