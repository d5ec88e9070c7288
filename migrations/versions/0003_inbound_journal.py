"""The repair of the inbox from providers' lists, and what the scheduler must read to clean up.

While the indexes are built, their tables cannot be written, and most of them cannot be read. On a
large installation, run this migration in a quiet hour.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import SCHEMA, SYSTEM, as_owner, hide_columns, show_columns

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

FIRST_SHOWN = {
    "channels": ("tenant_id", "id", "status", "repair_at"),
    "idempotency_keys": ("tenant_id", "expires_at"),
    "user_sessions": ("tenant_id", "expires_at"),
    "refresh_tokens": ("tenant_id", "expires_at"),
}
"""Columns of further tables that the scheduler reads: who has something due, and when."""


@as_owner
def upgrade() -> None:
    op.add_column(
        "channels",
        sa.Column(
            "heard_until",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        schema=SCHEMA,
    )
    op.add_column(
        "channels",
        sa.Column(
            "repair_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now() + interval '15 minutes'"),
            nullable=False,
        ),
        schema=SCHEMA,
    )
    op.add_column(
        "channels",
        sa.Column("repair_tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        schema=SCHEMA,
    )
    op.add_column(
        "inbox_items",
        sa.Column("is_repaired", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_channels_repair_at",
        "channels",
        ["repair_at"],
        schema=SCHEMA,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index(
        "ix_inbox_items_finished_at",
        "inbox_items",
        ["finished_at", "tenant_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state in ('applied', 'ignored')"),
    )
    op.create_index(
        "ix_inbox_items_parked",
        "inbox_items",
        ["tenant_id", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'parked'"),
    )
    op.drop_index("ix_idempotency_keys_expires_at", "idempotency_keys", schema=SCHEMA)
    for table in ("idempotency_keys", "user_sessions", "refresh_tokens"):
        op.create_index(f"ix_{table}_expires_at", table, ["expires_at", "tenant_id"], schema=SCHEMA)
    op.execute("GRANT SELECT (finished_at) ON recado.inbox_items TO recado_system")
    for table, columns in FIRST_SHOWN.items():
        show_columns(table, SYSTEM, columns)


@as_owner
def downgrade() -> None:
    for table, columns in FIRST_SHOWN.items():
        hide_columns(table, SYSTEM, columns)
    op.execute("REVOKE SELECT (finished_at) ON recado.inbox_items FROM recado_system")
    for table in ("idempotency_keys", "user_sessions", "refresh_tokens"):
        op.drop_index(f"ix_{table}_expires_at", table, schema=SCHEMA)
    op.create_index(
        "ix_idempotency_keys_expires_at",
        "idempotency_keys",
        ["tenant_id", "expires_at"],
        schema=SCHEMA,
    )
    op.drop_index("ix_inbox_items_parked", "inbox_items", schema=SCHEMA)
    op.drop_index("ix_inbox_items_finished_at", "inbox_items", schema=SCHEMA)
    op.drop_index("ix_channels_repair_at", "channels", schema=SCHEMA)
    op.drop_column("inbox_items", "is_repaired", schema=SCHEMA)
    for column in ("repair_tries", "repair_at", "heard_until"):
        op.drop_column("channels", column, schema=SCHEMA)
