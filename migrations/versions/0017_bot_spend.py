"""Budgets of bots: their limits, what was spent, and what calls in progress have reserved."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.tenancy import SCHEMA, SYSTEM, as_owner, protect, show_columns

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

SHOWN = ("tenant_id", "starts_on")
"""What the clean-up reads for all tenants."""

LIMITS = (("bots", "budget"), ("tenants", "bot_budget"))


@as_owner
def upgrade() -> None:
    dollars = sa.Numeric(20, 10)
    op.create_table(
        "bot_spend",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Uuid(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("dollars", dollars, nullable=False),
        sa.Column("reserved_tokens", sa.BigInteger(), nullable=False),
        sa.Column("reserved_dollars", dollars, nullable=False),
        sa.Column("warned_for", sa.Text(), server_default="", nullable=False),
        sa.Column("reached_for", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint(
            "tenant_id", "scope", "scope_id", "period", "starts_on", name="pk_bot_spend"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            [f"{SCHEMA}.tenants.tenant_id"],
            name="fk_bot_spend_tenant_id_tenants",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint("scope IN ('tenant', 'bot', 'contact')", name="ck_bot_spend_scope"),
        sa.CheckConstraint("period IN ('day', 'month')", name="ck_bot_spend_period"),
        schema=SCHEMA,
        # The row of a tenant changes twice in each turn: its new versions stay on its page.
        postgresql_with={"fillfactor": "50"},
    )
    op.create_index(
        "ix_bot_spend_starts_on", "bot_spend", ["tenant_id", "starts_on"], schema=SCHEMA
    )
    protect("bot_spend")
    show_columns("bot_spend", SYSTEM, SHOWN)
    for table, column in LIMITS:
        op.add_column(table, _json(column, server_default="{}", nullable=False), schema=SCHEMA)
    op.add_column("turns", _json("hold", nullable=True), schema=SCHEMA)
    op.create_index(
        "ix_turns_hold",
        "turns",
        ["tenant_id", "conversation_id"],
        schema=SCHEMA,
        postgresql_where=sa.text("hold is not null"),
    )


@as_owner
def downgrade() -> None:
    op.drop_column("turns", "hold", schema=SCHEMA)
    for table, column in LIMITS:
        op.drop_column(table, column, schema=SCHEMA)
    op.drop_table("bot_spend", schema=SCHEMA)


def _json(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, JSONB(), **options)
