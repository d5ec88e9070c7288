"""Progress of reading a provider's list, so that an interrupted reading resumes where it stopped.

The scheduler's role may read how often in a row a list could not be read, for the operator's
metric.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from migrations.tenancy import SCHEMA, SYSTEM, as_owner

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
COLUMNS: dict[str, sa.types.TypeEngine[Any]] = {
    "repair_tried_at": MOMENT,
    "repair_holder": sa.Uuid(),
    "reading_since": MOMENT,
    "reading_until": MOMENT,
    "reading_below": MOMENT,
    "reading_page": sa.Text(),
}
FLAGS = ("repair_again", "reading_has_gap")


@as_owner
def upgrade() -> None:
    for name, kind in COLUMNS.items():
        op.add_column("channels", sa.Column(name, kind, nullable=True), schema=SCHEMA)
    for name in FLAGS:
        op.add_column(
            "channels",
            sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False),
            schema=SCHEMA,
        )
    op.execute(f"GRANT SELECT (repair_tries) ON {SCHEMA}.channels TO {SYSTEM}")


@as_owner
def downgrade() -> None:
    op.execute(f"REVOKE SELECT (repair_tries) ON {SCHEMA}.channels FROM {SYSTEM}")  # noqa: S608 (ours)
    for name in (*FLAGS, *COLUMNS):
        op.drop_column("channels", name, schema=SCHEMA)
