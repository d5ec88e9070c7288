"""What a person sees of their sign-ins, a second factor, and an audit log that nobody changes."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.tenancy import APP, SCHEMA, as_owner

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def added() -> dict[str, list[sa.Column[Any]]]:
    return {
        "user_sessions": [
            sa.Column("address", sa.Text(), server_default="", nullable=False),
            sa.Column("user_agent", sa.Text(), server_default="", nullable=False),
            sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        ],
        "users": [
            sa.Column("totp_secret", sa.LargeBinary(), nullable=True),
            sa.Column("totp_since", sa.DateTime(timezone=True), nullable=True),
            sa.Column("totp_step", sa.BigInteger(), nullable=True),
            sa.Column("recovery_codes", JSONB(), server_default="[]", nullable=False),
        ],
    }


@as_owner
def upgrade() -> None:
    for table, columns in added().items():
        for column in columns:
            op.add_column(table, column, schema=SCHEMA)
    op.execute(f"REVOKE UPDATE, DELETE ON {SCHEMA}.audit_entries FROM {APP}")


@as_owner
def downgrade() -> None:
    op.execute(f"GRANT UPDATE, DELETE ON {SCHEMA}.audit_entries TO {APP}")
    for table, columns in added().items():
        for column in columns:
            op.drop_column(table, column.name, schema=SCHEMA)
