"""Bots and the versions of what they say and may do."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from migrations.tenancy import APP, SCHEMA, as_owner, protect

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


@as_owner
def upgrade() -> None:
    _make_bots()
    _make_versions()
    for table in ("bots", "bot_versions"):
        protect(table)
    # A version is never changed.
    op.execute(f"REVOKE UPDATE ON {SCHEMA}.bot_versions FROM {APP}")


@as_owner
def downgrade() -> None:
    for table in ("bot_versions", "bots"):
        op.drop_table(table, schema=SCHEMA)


def _make_bots() -> None:
    op.create_table(
        "bots",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channel_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("metadata", JSONB(), nullable=False),
        sa.Column("model_base_url", sa.Text(), nullable=True),
        sa.Column("model_key", sa.LargeBinary(), nullable=True),
        sa.Column("model_key_hint", sa.Text(), nullable=True),
        sa.Column("actions_base_url", sa.Text(), nullable=True),
        sa.Column("actions_key", sa.LargeBinary(), nullable=True),
        sa.Column("actions_key_hint", sa.Text(), nullable=True),
        _moment("updated_at"),
        _moment("created_at"),
        *_keys("bots"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "channel_id"],
            [f"{SCHEMA}.channels.tenant_id", f"{SCHEMA}.channels.id"],
            name="fk_bots_tenant_id_channel_id_channels",
        ),
        sa.UniqueConstraint("tenant_id", "channel_id", name="uq_bots_tenant_id_channel_id"),
        schema=SCHEMA,
    )


def _make_versions() -> None:
    op.create_table(
        "bot_versions",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("bot_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("definition", JSONB(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        _moment("created_at"),
        *_keys("bot_versions"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "bot_id"],
            [f"{SCHEMA}.bots.tenant_id", f"{SCHEMA}.bots.id"],
            name="fk_bot_versions_tenant_id_bot_id_bots",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint(
            "tenant_id", "bot_id", "number", name="uq_bot_versions_tenant_id_bot_id_number"
        ),
        schema=SCHEMA,
    )


def _moment(name: str) -> sa.Column[Any]:
    return sa.Column(
        name, sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
    )


def _keys(table: str) -> tuple[sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint]:
    """Return the primary key of a tenant's table, and its foreign key to the tenant."""
    return (
        sa.PrimaryKeyConstraint("tenant_id", "id", name=f"pk_{table}"),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            [f"{SCHEMA}.tenants.tenant_id"],
            name=f"fk_{table}_tenant_id_tenants",
            ondelete="CASCADE",
        ),
    )
