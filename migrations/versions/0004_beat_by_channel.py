"""The beat looks for due work channel by channel and tenant by tenant, not row by row.

It follows the indexes of those who do the work, so the ones that served the beat alone go.

The index is built while its table can be read, but not written: on a large installation run this
migration in a quiet hour.
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
