"""Held messages leave the index of due messages, and a channel in trouble is paused as a whole.

A held message waits behind another message of its conversation. Before, each message of a channel
in trouble was paused by itself.

While the indexes are built, `messages` and `channels` can be neither read nor written. On a large
installation, run this migration in a quiet hour.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.tenancy import SCHEMA, SYSTEM, as_owner, hide_columns, show_columns

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TENANT_HEADERS = ("tenant_id", "status")
DUE_COLUMNS = ["tenant_id", "channel_id", "priority", "due_at", "id"]
IN_ORDER = ["tenant_id", "conversation_id", "priority", "due_at", "id"]
WAITING = sa.text("status in ('queued', 'sending', 'uncertain')")


def create_index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(name, "messages", columns, schema=SCHEMA, postgresql_where=where)


def replace_outcomes(*outcomes: str) -> None:
    listed = ", ".join(f"'{each}'" for each in outcomes)
    name = op.f("ck_attempts_outcome")
    op.drop_constraint(name, "attempts", schema=SCHEMA, type_="check")
    op.create_check_constraint(name, "attempts", f"outcome IN ({listed})", schema=SCHEMA)


@as_owner
def upgrade() -> None:
    op.add_column(
        "messages",
        sa.Column("is_held", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema=SCHEMA,
    )
    op.add_column(
        "channels",
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        schema=SCHEMA,
    )
    op.add_column(
        "channels",
        sa.Column("trouble", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        schema=SCHEMA,
    )
    op.drop_index("ix_messages_due", "messages", schema=SCHEMA)
    create_index("ix_messages_due", DUE_COLUMNS, sa.text("status = 'queued' and not is_held"))
    op.drop_index("ix_messages_waiting", "messages", schema=SCHEMA)
    create_index("ix_messages_waiting", IN_ORDER, WAITING)
    replace_outcomes("started", "accepted", "refused", "retry", "paused", "uncertain")
    op.execute(f"GRANT SELECT (is_held, valid_until) ON {SCHEMA}.messages TO {SYSTEM}")
    op.execute(f"GRANT SELECT (paused_until) ON {SCHEMA}.channels TO {SYSTEM}")
    show_columns("tenants", SYSTEM, TENANT_HEADERS)


@as_owner
def downgrade() -> None:
    hide_columns("tenants", SYSTEM, TENANT_HEADERS)
    op.execute("UPDATE recado.attempts SET outcome = 'retry' WHERE outcome = 'paused'")
    replace_outcomes("started", "accepted", "refused", "retry", "uncertain")
    op.drop_index("ix_messages_waiting", "messages", schema=SCHEMA)
    create_index("ix_messages_waiting", ["tenant_id", "conversation_id"], WAITING)
    op.drop_index("ix_messages_due", "messages", schema=SCHEMA)
    create_index("ix_messages_due", DUE_COLUMNS, sa.text("status = 'queued'"))
    op.execute(f"REVOKE SELECT (valid_until) ON {SCHEMA}.messages FROM {SYSTEM}")  # noqa: S608 (ours)
    op.drop_column("channels", "trouble", schema=SCHEMA)
    op.drop_column("channels", "paused_until", schema=SCHEMA)
    op.drop_column("messages", "is_held", schema=SCHEMA)
