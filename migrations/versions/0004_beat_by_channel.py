"""The scheduler finds due work by channel and by tenant, instead of by row.

It uses the indexes of the workers, so the indexes that only the scheduler used are dropped.

While the new index is built, `inbox_items` cannot be written, and `messages` can be neither read
nor written. On a large installation, run this migration in a quiet hour.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import SCHEMA, SYSTEM, as_owner

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


@as_owner
def upgrade() -> None:
    op.execute(f"GRANT SELECT (priority) ON {SCHEMA}.messages TO {SYSTEM}")
    op.drop_index("ix_messages_due_at", "messages", schema=SCHEMA)
    op.create_index(
        "ix_inbox_items_received",
        "inbox_items",
        ["tenant_id", "id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'received'"),
    )
    op.drop_index("ix_inbox_items_due_at", "inbox_items", schema=SCHEMA)


@as_owner
def downgrade() -> None:
    op.create_index(
        "ix_inbox_items_due_at",
        "inbox_items",
        ["due_at", "tenant_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("state = 'received'"),
    )
    op.drop_index("ix_inbox_items_received", "inbox_items", schema=SCHEMA)
    op.create_index(
        "ix_messages_due_at",
        "messages",
        ["due_at", "tenant_id", "channel_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("status = 'queued'"),
    )
    op.execute(f"REVOKE SELECT (priority) ON {SCHEMA}.messages FROM {SYSTEM}")  # noqa: S608 (ours)
