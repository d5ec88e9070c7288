"""Events and audit entries are partitioned by month, so old rows go by dropping a partition.

The existing rows become the first partition. They are read once, while their table is locked: on a
large installation, run this migration in a quiet hour. The downgrade copies all rows.
"""

from alembic import op

from migrations.months import Monthly, drop_functions, make_functions, make_monthly, make_plain
from migrations.tenancy import SYSTEM, as_owner, hide_columns, show_columns

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = (
    Monthly(
        "events",
        {"ix_events_message_id": "(tenant_id, message_id, id) WHERE message_id IS NOT NULL"},
    ),
    Monthly("audit_entries"),
)

SHOWN = {
    "events": ("tenant_id", "id"),
    "audit_entries": ("tenant_id", "id"),
}
"""Columns that the clean-up reads for all tenants: who has rows past their retention time."""


@as_owner
def upgrade() -> None:
    for monthly in TABLES:
        make_monthly(monthly)
    make_functions()
    for table, columns in SHOWN.items():
        show_columns(table, SYSTEM, columns)
    for monthly in TABLES:
        op.execute(f"SELECT recado.keep_months('{monthly.table}', 3, NULL)")


@as_owner
def downgrade() -> None:
    for table, columns in SHOWN.items():
        hide_columns(table, SYSTEM, columns)
    drop_functions()
    for monthly in TABLES:
        make_plain(monthly)
