"""Columns of conversations that limit automatic replies, so that they do not go on forever."""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import SCHEMA, as_owner

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

COLUMNS = ("auto_replies_counted_from", "auto_replies_paused_until")


@as_owner
def upgrade() -> None:
    for name in COLUMNS:
        op.add_column(
            "conversations",
            sa.Column(name, sa.DateTime(timezone=True), nullable=True),
            schema=SCHEMA,
        )


@as_owner
def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("conversations", name, schema=SCHEMA)
