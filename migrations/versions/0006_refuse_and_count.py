"""Referenced rows cannot be deleted, and a tenant's messages of a day are counted in one row.

Before, a conversation that was opened while its contact was merged away was deleted with the
contact, including its messages. Now Postgres refuses such a deletion. Foreign keys to the tenant
still cascade, so one statement still deletes a whole tenant.

Postgres checks the references of every row, and these tables can be neither read nor written
meanwhile. On a large installation, run this migration in a quiet hour.
"""

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import SCHEMA, SYSTEM, as_owner, hide_columns, protect, show_columns

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

REFERENCES = (
    ("contact_aliases", "contact_id", "contacts"),
    ("conversations", "contact_id", "contacts"),
    ("conversations", "channel_id", "channels"),
    ("inbox_items", "channel_id", "channels"),
    ("messages", "contact_id", "contacts"),
    ("messages", "conversation_id", "conversations"),
    ("messages", "channel_id", "channels"),
)
SHOWN = ("tenant_id", "day")


def refer(ondelete: str | None) -> None:
    for table, column, referred in REFERENCES:
        name = f"fk_{table}_tenant_id_{column}_{referred}"
        op.drop_constraint(name, table, schema=SCHEMA, type_="foreignkey")
        op.create_foreign_key(
            name,
            table,
            referred,
            ["tenant_id", column],
            ["tenant_id", "id"],
            source_schema=SCHEMA,
            referent_schema=SCHEMA,
            ondelete=ondelete,
        )


@as_owner
def upgrade() -> None:
    op.create_table(
        "daily_usage",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["recado.tenants.tenant_id"],
            name=op.f("fk_daily_usage_tenant_id_tenants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "day", name=op.f("pk_daily_usage")),
        schema=SCHEMA,
    )
    op.create_index("ix_daily_usage_day", "daily_usage", ["day", "tenant_id"], schema=SCHEMA)
    protect("daily_usage")
    show_columns("daily_usage", SYSTEM, SHOWN)
    # Built before the foreign keys change, because until then the tables can still be read.
    op.create_index(
        "ix_messages_contact_id", "messages", ["tenant_id", "contact_id"], schema=SCHEMA
    )
    refer(None)


@as_owner
def downgrade() -> None:
    op.drop_index("ix_messages_contact_id", "messages", schema=SCHEMA)
    refer("CASCADE")
    hide_columns("daily_usage", SYSTEM, SHOWN)
    op.drop_table("daily_usage", schema=SCHEMA)
